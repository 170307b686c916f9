#!/bin/sh
CMOCKA_MESSAGE_OUTPUT=TAP exec timeout 120 "${BUILD:-build}/t/unit-oci"
