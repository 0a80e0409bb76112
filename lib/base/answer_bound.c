#include "lib/base/answer_bound.h"

void answer_bound_begin(struct answer_bound *bound, size_t head_max, size_t body_max)
{
    *bound = (struct answer_bound){
        .head_max = head_max,
        .wire_max = body_max * ANSWER_BOUND_FRAMING,
    };
}

bool answer_bound_head(struct answer_bound *bound, size_t len)
{
    bound->head += len;
    return answer_bound_kept(bound);
}

bool answer_bound_wire(struct answer_bound *bound, size_t len)
{
    bound->wire += len;
    return answer_bound_kept(bound);
}

bool answer_bound_kept(const struct answer_bound *bound)
{
    return bound->head <= bound->head_max && bound->wire <= bound->wire_max;
}
