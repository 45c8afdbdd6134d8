"""Probes: functions of features and labels that know no encoder."""
