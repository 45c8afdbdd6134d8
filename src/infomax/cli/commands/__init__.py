"""The commands, one file each: a dataclass of the options, which returns the result when it is called.

A class's docstring says what the command does, and `notes`, where it has them, are the end of its help (of
what was typed). The result is a mapping, or an `Answer`, which also says how a terminal shows it. A field
`rest` takes what is no option; a field `arguments` takes everything as it was typed. The command line, its
help and the docs read the table `COMMANDS`.
"""

from typing import Any

from infomax.registry import Registry

COMMANDS: Registry[Any] = Registry(
    "command",
    {
        "demo": "infomax.cli.commands.demo:Demo",
        "recipes": "infomax.cli.commands.recipes:Recipes",
        "pretrain": "infomax.cli.commands.pretrain:Pretrain",
        "evaluate": "infomax.cli.commands.evaluate:Evaluate",
        "finetune": "infomax.cli.commands.finetune:Finetune",
        "similarity": "infomax.cli.commands.similarity:Similarity",
        "groups": "infomax.cli.commands.collection.groups:Groups",
        "search": "infomax.cli.commands.collection.search:Search",
        "embed": "infomax.cli.commands.embed:Embed",
        "export": "infomax.cli.commands.export:Export",
        "ablate": "infomax.cli.commands.ablate:Ablate",
        "report": "infomax.cli.commands.report:Report",
        "verify": "infomax.cli.commands.upkeep.verify:Verify",
        "measure": "infomax.cli.commands.measure:Measure",
        "principle": "infomax.cli.commands.principle:Principle",
        "cache": "infomax.cli.commands.upkeep.cache:Cache",
        "import-amdim": "infomax.cli.commands.import_amdim:ImportAMDIM",
    },
)
