#!/usr/bin/env node
// versamammo: the command line.
