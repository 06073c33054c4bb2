"""From rows and settings to a trained model.

    plan = fitting.plan(X, Settings(latent_dim=8).seeded())
    model = fitting.fit(plan.prepared, plan.settings).model

`plan` decides everything that is left to the rows, and finds everything that can be wrong with them; `fit` trains. The
estimator, the searches and the detector all call these two.
"""

from diabolo.fitting.comparison import Evaluation, diagnose, evaluate
from diabolo.fitting.planning import Plan, advise_on, count_latents, plan, plan_epoch, plan_next_epoch
from diabolo.fitting.preparation import Prepared, prepare
from diabolo.fitting.resuming import resumed
from diabolo.fitting.training import Fitted, check_installed, fit, fit_epoch

__all__ = [
    "Evaluation",
    "Fitted",
    "Plan",
    "Prepared",
    "advise_on",
    "check_installed",
    "count_latents",
    "diagnose",
    "evaluate",
    "fit",
    "fit_epoch",
    "plan",
    "plan_epoch",
    "plan_next_epoch",
    "prepare",
    "resumed",
]
