# Stands in for Test::Nginx when a test file is run by perl: reads the blocks after __DATA__, lets the file's own
# preprocessors change them, and prints them as JSON instead of running them.
package t::APISIX;

use strict;
use warnings;
use re ();

my @preprocessors;

sub import {
    no strict 'refs';
    my $caller = caller;
    my $nothing = sub { };
    *{"${caller}::$_"} = $nothing
        for qw(plan repeat_each log_level no_long_string no_root_location no_shuffle worker_connections workers master_on
               use_hup check_accum_error_log add_cleanup_handler add_response_body_check server_name server_root);
    *{"${caller}::$_"} = \&{$_} for qw(add_block_preprocessor run_tests html_dir);
}

sub html_dir { return $ENV{TEST_NGINX_HTML_DIR} }

sub read_file {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return scalar <$in>;
}

sub add_block_preprocessor { unshift @preprocessors, $_[-1] }

sub run_tests {
    my $text = do { no strict 'refs'; no warnings 'once'; my $data = \*{"main::DATA"}; local $/; <$data> } // '';
    my @blocks = map { t::APISIX::Block->new($_) } $text =~ /^(===.*?)(?=^===|\z)/msg;
    for my $block (@blocks) {
        $_->($block) for @preprocessors;
    }
    my $hup = $ENV{TEST_NGINX_USE_HUP} ? 'true' : 'false';
    print qq({"keeps_memory": $hup, "blocks": [), join(",\n", map { encode($_->plain) } @blocks), "]}\n";
}

sub encode {
    my ($value) = @_;
    return 'null' if !defined $value;
    return '[' . join(',', map { encode($_) } @$value) . ']' if ref $value eq 'ARRAY';
    return '{' . join(',', map { text($_) . ':' . encode($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
    if (re::is_regexp($value)) {
        my ($pattern, $flags) = re::regexp_pattern($value);
        return encode({regex => $pattern, flags => $flags});
    }
    return text($value);
}

sub text {
    my ($value) = @_;
    utf8::encode($value) if utf8::is_utf8($value);
    $value =~ s/([\\"\x00-\x1f\x7f-\xff])/sprintf '\\u%04x', ord $1/ge;
    return "\"$value\"";
}


package t::APISIX::Block;

our $AUTOLOAD;

sub new {
    my ($class, $hunk) = @_;
    $hunk =~ s/\A===[ \t]*(.*)\s+//;
    my $self = bless {name => $1, values => {}}, $class;
    my (undef, @parts) = split /^--- +\(?(\w+)\)? *(.*)?\n/m, $hunk;
    while (my ($section, $filters, $value) = splice @parts, 0, 3) {
        ($filters, $value) = split /\s*:(?:\s+|\z)/, $filters, 2 if $filters =~ /:(\s|\z)/;
        $self->{values}{$section} = filtered($value // '', split ' ', $filters);
    }
    return $self;
}

sub filtered {
    my ($value, @filters) = @_;
    $value =~ s/\015\012?/\n/g;
    $value =~ s/\A([ \t]*\n)+//;
    $value =~ s/(?<=\n)\s*\z//;
    for my $filter (@filters) {
        if ($filter eq 'eval') {
            my $code = $value;
            $value = do { package main; no strict; no warnings; CORE::eval $code };
            $value = "eval failed: $@" if $@;
        }
        elsif ($filter eq 'chomp') { chomp $value }
        elsif ($filter eq 'chop')  { chop $value }
        else { die "no such filter: $filter\n" }
    }
    return $value;
}

sub name { return $_[0]{name} }

sub set_value {
    my ($self, $section, $value) = @_;
    if (defined $value) { $self->{values}{$section} = $value }
    else                { delete $self->{values}{$section} }
}

sub plain { return {name => $_[0]{name}, sections => $_[0]{values}} }

sub AUTOLOAD {
    my ($self) = @_;
    my $section = $AUTOLOAD =~ s/.*:://r;
    return $section eq 'DESTROY' ? undef : $self->{values}{$section};
}

1;
