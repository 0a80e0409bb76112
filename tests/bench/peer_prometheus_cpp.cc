// What Debian's prometheus-cpp, a client for one process with threads, costs. Prints lines of
// `name value unit`, as metrics_bench does.
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace {

// Processor time, as for the others.
double CpuNs()
{
    timespec now;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0)
        std::abort();
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

const int kRounds = 7;

void Report(const std::string &name, double value, const char *unit)
{
    std::printf("%-52s %12.2f %s\n", name.c_str(), value, unit);
}

double Median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

template <typename Operation>
void Measure(const std::string &name, int count, Operation operation)
{
    std::vector<double> rounds;
    for (int round = 0; round < kRounds; round++) {
        const double start = CpuNs();
        for (int i = 0; i < count; i++)
            operation();
        rounds.push_back((CpuNs() - start) / count);
    }
    Report(name, Median(rounds), "ns/op");
}

void Update()
{
    const prometheus::Histogram::BucketBoundaries bounds{0.0001, 0.00025, 0.0005, 0.001,
                                                         0.0025, 0.005,   0.01,   0.025,
                                                         0.05,   0.1,     0.25,   0.5,
                                                         1,      2.5,     5,      10};
    prometheus::Registry registry;
    auto &counters = prometheus::BuildCounter().Name("bench_requests_total").Register(registry);
    auto &histograms =
        prometheus::BuildHistogram().Name("bench_latency_seconds").Register(registry);
    auto &counter =
        counters.Add({{"method", "POST"}, {"path", "/analyze"}, {"status", "200"}});
    auto &histogram = histograms.Add({{"method", "POST"}, {"path", "/analyze"}}, bounds);

    Measure("inc", 2000000, [&] { counter.Increment(); });
    Measure("observe", 1000000, [&] { histogram.Observe(0.003); });
    Measure("lookup + observe", 200000, [&] {
        histograms.Add({{"method", "POST"}, {"path", "/analyze"}}, bounds).Observe(0.003);
    });
}

void Scrape(int count)
{
    prometheus::Registry registry;
    auto &counters = prometheus::BuildCounter().Name("bench_requests_total").Register(registry);
    for (int i = 0; i < count; i++)
        counters
            .Add({{"method", "POST"}, {"path", "/path/" + std::to_string(i)}, {"status", "200"}})
            .Increment(i);
    std::vector<double> rounds;
    for (int round = 0; round < kRounds; round++) {
        const double start = CpuNs();
        const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
        rounds.push_back(text.empty() ? 0 : (CpuNs() - start) / 1e6);
    }
    Report("scrape of " + std::to_string(count) + " series", Median(rounds), "ms");
}

} // namespace

int main()
{
    Update();
    for (const int count : {1000, 10000, 100000})
        Scrape(count);
    return 0;
}
