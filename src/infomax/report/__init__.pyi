from .collection.page import write_groups as write_groups
from .page import write_report as write_report
