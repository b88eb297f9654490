# SPDX-License-Identifier: Apache-2.0
#
# Samples (mode, metric, whose, value) on stdin, rows of results.tsv on stdout: medians
# and the ratio hull / peer. metrics: the names, in their order.
#
# nested_tax:METRIC are samples of a job on tmpfs. Such a row is called nested_tax and
# has the job for a peer_name. With it each host row is followed by one of "host/tax":
# the host, were it as much slower as a guest is that needs no file server.

function median(list,    n, v, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function unit_of(metric) {
	sub(/^nested_tax:/, "", metric)
	if (metric ~ /^fs_.*_(requests|exits)$/)
		return "each"
	return metric in unit ? unit[metric] : "count"
}

# value_of() - in the metric's unit
function value_of(metric, mode, whose,    u) {
	u = unit_of(metric)
	return median(values[metric, mode, whose]) / (u in scale ? scale[u] : 1)
}

function text(value, u) {
	return sprintf(u == "count" ? "%d" : u == "s" ? "%.4f" : "%.2f", value)
}

function pair(metric, hull, other, peer, u, mode) {
	print metric, text(hull, u), text(other, u), peer, sprintf("%.3f", hull / other), u, mode
}

# tax_of() - hull / host of a job on tmpfs; 0: not measured
function tax_of(metric, mode) {
	sub(/_bind$/, "_rootfs", metric) # on tmpfs the same job
	metric = "nested_tax:" metric
	if (!((metric, mode, "hull") in values))
		return 0
	return value_of(metric, mode, "hull") / value_of(metric, mode, "host")
}

function row(metric, mode, peer,    u, hull, other, tax) {
	u = unit_of(metric)
	hull = value_of(metric, mode, "hull")
	if (peer == "") {
		print metric, text(hull, u), "-", "-", "-", u, mode
		return
	}
	other = value_of(metric, mode, peer)
	pair(metric, hull, other, peer, u, mode)
	tax = tax_of(metric, mode)
	if (peer == "host" && tax)
		pair(metric, hull, other * tax, "host/tax", u, mode)
}

function rows(metric, mode,    found, p) {
	for (p = 1; p in peers; p++)
		if ((metric, mode, peers[p]) in values) {
			row(metric, mode, peers[p])
			found = 1
		}
	if (!found)
		row(metric, mode, "")
}

function taxes(mode,    k, metric) {
	for (k = 1; k in names; k++) {
		metric = "nested_tax:" names[k]
		if ((metric, mode, "hull") in values)
			pair("nested_tax", value_of(metric, mode, "hull"),
				value_of(metric, mode, "host"), names[k], unit_of(metric), mode)
	}
}

BEGIN {
	FS = OFS = "\t"
	split(metrics, names, " ")
	split("icount plain host", modes, " ")
	split("runc crun qemu virtiofsd qemu_vhost host 128m full touched", peers, " ")
	unit["start_cold"] = unit["start_warm"] = unit["exec"] = "ms"
	unit["start_at_once"] = "s"
	unit["vmm_memory"] = unit["guest_memory"] = unit["idle_unshared_memory"] = "MiB"
	unit["restore_lazy_2g"] = unit["predump_stop"] = unit["freeze_window"] = "ms"
	unit["checkpoint_bytes"] = "MiB"
	unit["fs_untar"] = unit["fs_make"] = "s"
	unit["fs_git_status_first"] = unit["fs_git_status_second"] = "s"
	unit["fs_dd512_rootfs"] = unit["fs_dd512_bind"] = "s"
	unit["fs_randread_mmap"] = unit["fs_randread_pread"] = "MB/s"
	split("tcp_tx tcp_rx tcp4_tx tcp4_rx", rates, " ")
	for (i in rates)
		unit["net_" rates[i]] = unit["net_tap_" rates[i]] = "MB/s"
	unit["net_udp_pps"] = unit["net_tap_udp_pps"] = "packets/s"
	unit["net_latency"] = unit["net_tap_latency"] = "us"
	unit["net_cpu_per_gb"] = "ms"
	unit["fs_seqread"] = unit["fs_seqwrite"] = "MB/s"
	scale["ms"] = 1e6
	scale["us"] = 1e3
	scale["s"] = 1e9
	scale["MB/s"] = 1e6
	scale["MiB"] = 1024
	print "metric", "hull", "peer", "peer_name", "ratio", "unit", "mode"
}

{ values[$2, $1, $3] = values[$2, $1, $3] " " $4 }

END {
	for (i = 1; i in names; i++)
		for (m = 1; m in modes; m++) {
			if (names[i] == "nested_tax")
				taxes(modes[m])
			else if ((names[i], modes[m], "hull") in values)
				rows(names[i], modes[m])
		}
}
