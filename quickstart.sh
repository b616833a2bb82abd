#!/bin/bash
# From a fresh checkout to a running Dolmen: installs what is missing, builds, starts a server, archives DICOM files over S3 with awscli, reads them back
# and compares every byte. Run it again at any time: it goes on with what is there.
#
#   ./quickstart.sh                            and keeps serving until Ctrl-C
#   ./quickstart.sh --once                     stops the server after the check
#   ./quickstart.sh --listen 127.0.0.1:9100    another address or port (127.0.0.1:9000)
#   ./quickstart.sh --data DIR                 another directory for the pool (./quickstart-data)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
listen=127.0.0.1:9000
data=$root/quickstart-data
once=no
bucket=quickstart
server_pid=
work=

say() { printf '== %s\n' "$*"; }
die() {
    printf 'quickstart: %s\n' "$@" >&2
    exit 1
}
usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while (($# > 0)); do
    case $1 in
    --once) once=yes ;;
    --listen | --data)
        (($# > 1)) || die "$1 needs a value"
        if [[ $1 == --listen ]]; then listen=$2; else data=$2; fi
        shift
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        die "unknown option: $1"
        ;;
    esac
    shift
done

bin=$root/build/release/bin
log=$data/dolmend.log

stop_server() {
    [[ -n $server_pid ]] || return 0
    local pid=$server_pid
    server_pid=
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid"
}
# shellcheck disable=SC2317 # called by the trap
on_exit() {
    local code=$?
    trap - EXIT
    stop_server || true
    [[ -z $work ]] || rm -rf "$work"
    if ((code != 0 && code != 130 && code != 143)) && [[ -s $log ]]; then
        printf 'quickstart: failed; the end of %s:\n' "$log" >&2
        tail -n 30 "$log" >&2
    fi
    exit "$code"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_and_build() {
    "$root/tools/install-packages.sh"
    say "building"
    (cd "$root" && cmake --preset release >/dev/null && cmake --build --preset release)
}

# Polls until the server is ready, as long as it lives.
wait_ready() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        if curl -fsS -o /dev/null "$endpoint/readyz" 2>/dev/null; then return 0; fi
        kill -0 "$server_pid" 2>/dev/null || die "dolmend has ended"
        sleep 0.1
    done
    die "dolmend is not ready after 60 s"
}

start_server() {
    local args=(--dev "$data" --listen "$listen")
    (umask 077 && mkdir -p "$data")
    # Small drives, so that a try costs little space; an existing pool keeps what it has.
    [[ -d $data/drives ]] || args+=(--drive-size 1G)
    say "starting dolmend on $listen"
    # Whoever answers there already is not the server that is about to be started.
    if curl -sS -o /dev/null --max-time 2 "$endpoint/healthz" 2>/dev/null; then
        die "$listen is in use by another program" "stop it, or choose another port: ./quickstart.sh --listen 127.0.0.1:9100"
    fi
    "$bin/dolmend" "${args[@]}" >"$log" 2>&1 &
    server_pid=$!
    wait_ready
}

credential() { sed -n "s/^$1=//p" "$data/credentials"; }

setup_aws() {
    AWS_ACCESS_KEY_ID=$(credential access_key)
    AWS_SECRET_ACCESS_KEY=$(credential secret_key)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
    # Nothing of the user's own settings takes part.
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_CA_BUNDLE
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export NO_PROXY='*'
}
s3() { aws --endpoint-url "$endpoint" "$@"; }

sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

archive_and_compare() {
    local source=$root/tests/data files
    [[ ! -d $root/../shared/dicom ]] || source=$root/../shared/dicom
    mkdir "$work/sent" "$work/back"
    find -L "$source" -type f ! -name "README*" ! -name "*.tsv" ! -path "*LICENSES*" ! -name "*.py" -printf '%P\0' | (cd "$source" && xargs -0 cp --parents -L -t "$work/sent")
    files=$(find "$work/sent" -type f | wc -l)
    ((files > 0)) || die "no DICOM files in $source"

    s3 s3api head-bucket --bucket "$bucket" >/dev/null 2>&1 || s3 s3 mb "s3://$bucket"
    say "archiving $files DICOM files"
    s3 s3 cp --recursive --only-show-errors "$work/sent" "s3://$bucket/dicom/"
    say "reading them back"
    s3 s3 cp --recursive --only-show-errors "s3://$bucket/dicom/" "$work/back"
    sums "$work/sent" >"$work/sent.sums"
    sums "$work/back" >"$work/back.sums"
    diff "$work/sent.sums" "$work/back.sums" >&2 || die "what came back is not what was sent"
    say "all $files files came back, byte for byte the same"
}

explain() {
    "$bin/dolmen" pool status --dev "$data"
    cat <<END

  endpoint     $endpoint
  credentials  $data/credentials
  log          $log

To use it with awscli:

  export AWS_ACCESS_KEY_ID=\$(sed -n s/^access_key=//p $data/credentials)
  export AWS_SECRET_ACCESS_KEY=\$(sed -n s/^secret_key=//p $data/credentials)
  export AWS_DEFAULT_REGION=us-east-1
  aws --endpoint-url $endpoint s3 ls s3://$bucket/dicom/
  aws --endpoint-url $endpoint s3 cp FILE s3://$bucket/FILE

The pool's key is $data/key. Losing it loses the pool: $bin/dolmen key export --dev $data FILE
END
}

endpoint=http://$listen
work=$(mktemp -d)
install_and_build
start_server
setup_aws
archive_and_compare
explain
if [[ $once == yes ]]; then
    say "stopping dolmend"
    stop_server || die "dolmend did not end cleanly"
    say "done"
    exit 0
fi
say "serving until Ctrl-C"
wait "$server_pid" && code=0 || code=$?
server_pid=
exit "$code"
