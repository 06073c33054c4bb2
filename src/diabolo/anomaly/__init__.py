"""The anomaly detector: an estimator, its scores, and what makes a row anomalous."""
