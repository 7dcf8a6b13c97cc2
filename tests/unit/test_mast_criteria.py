from datetime import UTC, datetime, timedelta, timezone

import pytest

from flows.archive.mast.search import to_conditions
from flows.archive.source import FileKind, Query
from flows.errors import ArchiveError
from flows.models.products import Cone

ALL = {"instrume": "MIRI,NIRCAM,NIRISS,NIRSPEC"}
EARLY = datetime(2024, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))
LATE = datetime(2024, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "conditions"),
    [
        (Query(), ALL),
        (Query(cone=Cone(1, 2, 3)), ALL),
        (Query(program="01345"), ALL | {"program": "1345"}),
        (Query(observations=("001", "120")), ALL | {"observtn": "1,120"}),
        (Query(instrument="Miri"), {"instrume": "MIRI"}),
        (
            Query(exp_types=("nrs_ifu", "MIR_LRS-SLITLESS")),
            ALL | {"exp_type": "NRS_IFU,MIR_LRS-SLITLESS"},
        ),
        (Query(cycles=(1, 2)), ALL | {"proposal_cycle": "1,2"}),
        (Query(target="ngc 7469*"), ALL | {"targprop": "NGC 7469*"}),
        (Query(target="!a,b..c<[1]"), ALL | {"targprop": "*A*B*C*1*"}),
        (Query(taken_from=EARLY), ALL | {"date_obs": ">=2024-02-28"}),
        (Query(taken_until=LATE), ALL | {"date_obs": "<=2024-04-01"}),
        (
            Query(taken_from=EARLY, taken_until=LATE),
            ALL | {"date_obs": "2024-02-28..2024-04-01"},
        ),
        (Query(kind=FileKind.RATE, optics=("G395H",)), ALL),
    ],
)
def test_a_query_is_put_in_the_words_of_mast(
    query: Query, conditions: dict[str, str]
) -> None:
    assert to_conditions(query) == conditions


@pytest.mark.parametrize("kind", [FileKind.ASN, FileKind.MSA, FileKind.POOL])
def test_only_exposures_can_be_asked_for(kind: FileKind) -> None:
    with pytest.raises(ArchiveError, match=f"got one for {kind}"):
        to_conditions(Query(kind=kind))
