#!/usr/bin/perl
# A CGI script under microtrace-cgi. It knows nothing of telemetry: its span, its log line and its
# metrics are made for it, and what it warns of becomes a log line of the same request.
use strict;
use warnings;

my %query = map { split /=/, $_, 2 } split /&/, $ENV{QUERY_STRING} // '';
my $words = $query{words} // '';
warn "no words were given\n" if $words eq '';

print "Content-Type: text/plain; charset=utf-8\n\n";
printf "%d words\n", scalar split /\+/, $words;
