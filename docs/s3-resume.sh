#!/bin/bash
# Uploads a file of a migimg mount to S3, part by part, and goes on where it was
# stopped: from the same mount, or from a new one of the same disk.
#
#   s3-resume.sh FILE BUCKET KEY
#
# Run it again with the same arguments until it says that the object is complete.
# What it has to remember (the upload's id, the plan digest, the size of a part)
# is in STATE. A part that the server has is kept if its MD5 is that of FILE's
# bytes now; else it is sent again. If the plan is another one, the upload is
# refused, with exit code 2: abort it and start anew.
#
#   ENDPOINT=URL   a server that is not AWS
#   PART=MIB       the size of a part; default: 64, or more where that makes over 10000
#   STATE=FILE     default: KEY's last part with .upload, in this folder
#
# Needs the AWS CLI, getfattr (Debian: attr) and room for one part in TMPDIR.
set -euo pipefail
[ $# = 3 ] || { echo "usage: s3-resume.sh FILE BUCKET KEY" >&2; exit 1; }
file=$1 bucket=$2 key=$3
state=${STATE:-${key##*/}.upload}
say() { echo "s3-resume.sh: $*"; }
s3() { # s3 COMMAND ARGUMENT...: about this object
    local command=$1
    shift
    aws ${ENDPOINT:+--endpoint-url "$ENDPOINT"} s3api "$command" --bucket "$bucket" --key "$key" "$@"
}

size=$(stat -c %s "$file")
t0=$(stat -c %y "$file") # the moment that the mount stands for
plan=$(getfattr --absolute-names --only-values -n user.migimg.plan-digest "$file")
if [ -e "$state" ]; then
    read -r upload part was <"$state"
    if [ "$was" != "$plan" ]; then
        say "refused: $file has another plan than what was begun ($was): the disk has changed." >&2
        say "To start anew: aws s3api abort-multipart-upload --bucket $bucket --key $key --upload-id $upload; rm $state" >&2
        exit 2
    fi
else
    # S3 takes at most 10000 parts of at most 5 GiB.
    part=$(((size + 10000 * 1048576 - 1) / (10000 * 1048576)))
    [ "$part" -gt "${PART:-64}" ] || part=${PART:-64}
    [ "$part" -le 5120 ] || { say "$file is larger than 10000 parts of 5 GiB" >&2; exit 1; }
    upload=$(s3 create-multipart-upload --metadata "migimg.plan-digest=$plan" --query UploadId --output text)
    echo "$upload $part $plan" >"$state"
fi
bytes=$((part * 1048576))
count=$(((size + bytes - 1) / bytes))
say "$size bytes in $count parts of $part MiB, upload $upload"

declare -A has # the server's ETag of a part, by number
listed=$(s3 list-parts --upload-id "$upload" --query 'Parts[].[PartNumber, ETag]' --output text) ||
    { say "if there is no such upload (any more), remove $state to start anew" >&2; exit 1; }
while read -r n etag; do
    [[ $n != [0-9]* ]] || has[$n]=${etag//\"/}
done <<<"$listed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kept=0
for ((n = 1; n <= count; n++)); do
    dd if="$file" of="$work/part" bs=1M skip=$(((n - 1) * part)) count="$part" iflag=fullblock status=none
    md5=$(md5sum <"$work/part" | cut -d ' ' -f 1)
    if [ "${has[$n]:-}" = "$md5" ]; then
        kept=$((kept + 1))
        say "part $n of $count: kept"
        continue
    fi
    etag=$(s3 upload-part --upload-id "$upload" --part-number "$n" --body "$work/part" \
        --content-md5 "$(basenc --base16 -d <<<"${md5^^}" | base64)" --query ETag --output text)
    has[$n]=${etag//\"/}
    say "part $n of $count: sent"
done

[ "$(stat -c %y "$file")" = "$t0" ] || { say "$file is of another mount now: run this again" >&2; exit 1; }
for ((n = 1; n <= count; n++)); do
    printf '%s{"PartNumber": %d, "ETag": "\\"%s\\""}\n' "$([ "$n" = 1 ] || echo ,)" "$n" "${has[$n]}"
done | { echo '{"Parts": ['; cat; echo ']}'; } >"$work/parts.json"
etag=$(s3 complete-multipart-upload --upload-id "$upload" --multipart-upload "file://$work/parts.json" --query ETag --output text)
rm -f "$state"
say "complete: s3://$bucket/$key, $kept parts kept, $((count - kept)) sent, ETag ${etag//\"/}"
