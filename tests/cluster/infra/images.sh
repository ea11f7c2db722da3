#!/usr/bin/env bash
# The product's images: builds them, loads them into a kind cluster, says how they are called. A tag is the head of the
# image's id, so that what changed has a new name, and what did not is neither built nor loaded twice.
# usage: images.sh build [IMAGE...]     all, or those named: operator, serving, serving-sklearn
#        images.sh load [CLUSTER [IMAGE...]]   into every node of the cluster (modelmoor); builds what is missing
#        images.sh tags                 print OPERATOR_IMAGE=..., SERVING_IMAGE=..., SERVING_SKLEARN_IMAGE=... of this tree
# Each image is also tagged modelmoor/operator:dev, modelmoor/serving:dev or modelmoor/serving:dev-sklearn.
source "$(dirname "$0")/lib.sh"
source "$infra/go.sh"
source "$infra/load.sh"

all=(operator serving serving-sklearn)

# describe IMAGE: sets its repository, its :dev tag, its build context, the Dockerfile in there, and the target
describe() {
  case "$1" in
    operator) repo=modelmoor/operator dev=dev context=$repository dockerfile=operator/Dockerfile target="" ;;
    serving) repo=modelmoor/serving dev=dev context=$repository/serving-image dockerfile=Dockerfile target=full ;;
    serving-sklearn) repo=modelmoor/serving dev=dev-sklearn context=$repository/serving-image dockerfile=Dockerfile target=sklearn ;;
    *) fail "no image is called $1; there are ${all[*]}" 2 ;;
  esac
  [ -f "$context/$dockerfile" ] || fail "there is no $context/$dockerfile to build $1 from"
}

# inputs: the Dockerfile and the files that it copies out of its context, as Git sees them. They alone are sent to the
# engine and they alone make the tag: a changed test makes no new image.
inputs() (
  cd "$context" || exit
  mapfile -t sources < <(awk 'toupper($1) ~ /^(COPY|ADD)$/ && !/--from=/ { for (i = 2; i < NF; i++) if ($i !~ /^--/) print $i }' "$dockerfile" | sort -u)
  {
    echo "$dockerfile"
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
      git ls-files --cached --others --exclude-standard -- "${sources[@]}"
    else
      find "${sources[@]}" -type f -not -path '*/__pycache__/*'
    fi
  } | sort -u | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done
)

# record: the file that keeps the id which these inputs made
record() {
  local digest
  digest=$({ cd "$context" && inputs | tr '\n' '\0' | xargs -0 sha256sum; echo "$target $bases"; } | sha256sum | cut -c1-12)
  echo "$cache/images/$digest"
}

# built: prints the id, where these inputs were built and the engine still holds the result
built() { id=$(cat "$(record)" 2>/dev/null) && docker image inspect "$id" >/dev/null 2>&1; }

stage() { # stage FOLDER: the inputs alone
  rm -rf "$1" && mkdir -p "$1" && inputs | tar -C "$context" -c -T - | tar -C "$1" -x
}

build() { # build IMAGE
  local folder file # and, for the caller, the image's id and tag
  describe "$1"
  built || locked "image-$1"
  if ! built; then
    folder=$cache/tmp/context.$$
    trap 'rm -rf "$cache/tmp/context.$$"' EXIT
    until file=$(record) && stage "$folder" && [ "$(record)" = "$file" ]; do :; done # somebody may be editing
    timed "build image $1" docker build --iidfile "$folder.id" -f "$folder/$dockerfile" --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "BUILDER_IMAGE=$BUILDER_IMAGE" ${target:+--target "$target"} "$folder"
    id=$(<"$folder.id")
    publish "$folder.id" "$file"
    rm -rf "$folder"
  fi
  tag=$repo:$(cut -c8-19 <<<"$id")
  docker tag "$id" "$tag"
  docker tag "$id" "$repo:$dev"
}

command=${1:-}
shift || true
case "$command" in build | load | tags) ;; -h | --help) usage 0 ;; *) usage 2 ;; esac
"$infra/engine.sh"
bases=$("$infra/base.sh")
eval "$bases"

case "$command" in
  build)
    [ $# -gt 0 ] || set -- "${all[@]}"
    for image in "$@"; do build "$image"; say "image $image: $tag"; done
    ;;
  tags)
    for image in "${all[@]}"; do build "$image"; echo "$(tr a-z- A-Z_ <<<"$image")_IMAGE=$tag"; done
    ;;
  load)
    cluster=${1:-modelmoor} tags=() aliases=()
    shift || true
    [ $# -gt 0 ] || set -- "${all[@]}"
    for image in "$@"; do build "$image"; tags+=("$tag") aliases+=("$tag $repo:$dev"); done
    load_into_cluster "$cluster" "${tags[@]}"
    for pair in "${aliases[@]}"; do tag_in_cluster "${pair% *}" "${pair#* }"; done
    ;;
esac
