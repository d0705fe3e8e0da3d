#!/bin/sh
# The greeting is put in when the image is built, the name when it runs.
[ "$1" = --check ] && exit 0
echo "@GREETING@, ${1:-$NAME}! I am $(whoami)."
