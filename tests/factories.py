"""One factory per model, minimal: what a row must have, and nothing else."""

from datetime import timedelta

import factory
from django.contrib.auth.models import User
from django.utils import timezone

from config.models import LoginFailure, SocketTicket
from documents.models import (
    Configuration,
    ConfigurationVersion,
    Correction,
    DerivedFile,
    Document,
    DocumentComment,
    DocumentText,
    DocumentVersion,
    ExtractedDocument,
    ExtractedTable,
    ExtractionRun,
    Upload,
)
from ingestion.models import Chunk, EmbeddingModel, Source, SourceDocument, SourceText
from jobs.models import (
    Artifact,
    Attempt,
    AuditEntry,
    Drain,
    IdempotencyKey,
    Job,
    JobEvent,
    KindPolicy,
    Login,
    Preferences,
    Preset,
    RetentionRule,
    SavedTab,
    Schedule,
    ScheduleRun,
    Start,
    Tally,
    TallyMark,
    ThrottleWindow,
    Worker,
)
from recorder.models import RecordingSession, Step
from recorder.steps import Action
from recorder.steps import Step as TypedStep


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")


class LoginFailureFactory(factory.django.DjangoModelFactory[LoginFailure]):
    class Meta:
        model = LoginFailure

    key = factory.Sequence(lambda n: f"user{n}")
    count = 1
    since = factory.LazyFunction(timezone.now)


class SocketTicketFactory(factory.django.DjangoModelFactory[SocketTicket]):
    class Meta:
        model = SocketTicket

    digest = factory.Sequence(lambda n: f"{n:064}")
    user = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(timezone.now)


class LoginFactory(factory.django.DjangoModelFactory[Login]):
    """An open login. No token came from it."""

    class Meta:
        model = Login

    user = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)
    refreshed_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(timezone.now)
    refresh_jti = factory.Sequence(lambda n: f"jti{n}")


class PreferencesFactory(factory.django.DjangoModelFactory[Preferences]):
    class Meta:
        model = Preferences

    user = factory.SubFactory(UserFactory)


class ThrottleWindowFactory(factory.django.DjangoModelFactory[ThrottleWindow]):
    class Meta:
        model = ThrottleWindow

    key = factory.Sequence(lambda n: f"read:user:{n}")
    since = 0.0
    used = 1


class JobFactory(factory.django.DjangoModelFactory[Job]):
    """A queued job. It was not submitted: it has no event."""

    class Meta:
        model = Job

    kind = "recorder.record"
    owner = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)


class AttemptFactory(factory.django.DjangoModelFactory[Attempt]):
    class Meta:
        model = Attempt

    job = factory.SubFactory(JobFactory)
    number = factory.Sequence(lambda n: n + 1)
    worker = "worker"
    started_at = factory.LazyFunction(timezone.now)


class JobEventFactory(factory.django.DjangoModelFactory[JobEvent]):
    class Meta:
        model = JobEvent

    job = factory.SubFactory(JobFactory)
    seq = factory.Sequence(lambda n: n + 1)
    type = "log"
    at = factory.LazyFunction(timezone.now)


class ArtifactFactory(factory.django.DjangoModelFactory[Artifact]):
    """The row alone: no file is stored under its name."""

    class Meta:
        model = Artifact

    job = factory.SubFactory(JobFactory)
    attempt = 1
    path = factory.Sequence(lambda n: f"file{n}.txt")
    kind = "file"
    content_type = "text/plain"
    size_bytes = 0
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    storage_name = factory.LazyAttribute(lambda artifact: f"{artifact.job.id}/{artifact.path}")
    created_at = factory.LazyFunction(timezone.now)


class AuditEntryFactory(factory.django.DjangoModelFactory[AuditEntry]):
    class Meta:
        model = AuditEntry

    at = factory.LazyFunction(timezone.now)
    action = "job.cancel"


class SavedTabFactory(factory.django.DjangoModelFactory[SavedTab]):
    class Meta:
        model = SavedTab

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Tab {n}")
    query = "status__exact=failed"
    created_at = factory.LazyFunction(timezone.now)


class WorkerFactory(factory.django.DjangoModelFactory[Worker]):
    class Meta:
        model = Worker

    name = factory.Sequence(lambda n: f"worker{n}")
    queue = "default"
    host = "host"
    pid = 1
    started_at = factory.LazyFunction(timezone.now)
    seen_at = factory.LazyFunction(timezone.now)


class ScheduleFactory(factory.django.DjangoModelFactory[Schedule]):
    """An active schedule whose next time is far away."""

    class Meta:
        model = Schedule

    name = factory.Sequence(lambda n: f"Schedule {n}")
    kind = "jobs.sweep"
    cron = "0 3 * * *"
    owner = factory.SubFactory(UserFactory, is_staff=True, is_superuser=True)
    next_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class ScheduleRunFactory(factory.django.DjangoModelFactory[ScheduleRun]):
    class Meta:
        model = ScheduleRun

    schedule = factory.SubFactory(ScheduleFactory)
    due_at = factory.LazyFunction(timezone.now)
    trigger = "hand"
    outcome = "submitted"
    handled_at = factory.LazyFunction(timezone.now)


class RetentionRuleFactory(factory.django.DjangoModelFactory[RetentionRule]):
    class Meta:
        model = RetentionRule

    kind = factory.Sequence(lambda n: f"kind.{n}")
    keep_days = 30
    updated_at = factory.LazyFunction(timezone.now)


class DrainFactory(factory.django.DjangoModelFactory[Drain]):
    class Meta:
        model = Drain

    queue = "default"
    host = factory.Sequence(lambda n: f"host{n}")
    asked_at = factory.LazyFunction(timezone.now)


class TallyFactory(factory.django.DjangoModelFactory[Tally]):
    class Meta:
        model = Tally

    what = "job"
    kind = factory.Sequence(lambda n: f"kind.{n}")
    outcome = "succeeded"


class TallyMarkFactory(factory.django.DjangoModelFactory[TallyMark]):
    class Meta:
        model = TallyMark

    what = factory.Sequence(lambda n: f"what{n}")
    up_to = factory.LazyFunction(timezone.now)


class RecordingSessionFactory(factory.django.DjangoModelFactory[RecordingSession]):
    class Meta:
        model = RecordingSession

    job = factory.SubFactory(JobFactory)
    owner = factory.SelfAttribute("job.owner")
    flow_name = "A flow"
    url = "http://127.0.0.1:3000/"
    created_at = factory.LazyFunction(timezone.now)


class StepFactory(factory.django.DjangoModelFactory[Step]):
    class Meta:
        model = Step

    session = factory.SubFactory(RecordingSessionFactory)
    key = factory.Sequence(lambda n: f"s{n}")
    position = factory.Sequence(lambda n: n + 1)
    action = Action.RELOAD
    data = factory.LazyAttribute(
        lambda step: TypedStep(key=step.key, action=step.action, page="page").as_json()
    )


class DocumentFactory(factory.django.DjangoModelFactory[Document]):
    """The row alone, without a version."""

    class Meta:
        model = Document

    name = factory.Sequence(lambda n: f"document{n}.txt")
    owner = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class DocumentVersionFactory(factory.django.DjangoModelFactory[DocumentVersion]):
    """The row alone: no file is stored under its name."""

    class Meta:
        model = DocumentVersion

    document = factory.SubFactory(DocumentFactory)
    number = factory.Sequence(lambda n: n + 1)
    name = factory.SelfAttribute("document.name")
    media_type = "text/plain"
    size_bytes = 0
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    storage_name = "documents/none"
    created_by = factory.SelfAttribute("document.owner")
    created_at = factory.LazyFunction(timezone.now)


class DerivedFileFactory(factory.django.DjangoModelFactory[DerivedFile]):
    class Meta:
        model = DerivedFile

    version = factory.SubFactory(DocumentVersionFactory)
    role = DerivedFile.Role.PAGE
    number = factory.Sequence(lambda n: n + 1)
    content_type = "image/png"
    size_bytes = 0
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    storage_name = "documents/none"
    created_at = factory.LazyFunction(timezone.now)


class DocumentTextFactory(factory.django.DjangoModelFactory[DocumentText]):
    class Meta:
        model = DocumentText

    document = factory.SubFactory(DocumentFactory)
    words = "some words"


class DocumentCommentFactory(factory.django.DjangoModelFactory[DocumentComment]):
    class Meta:
        model = DocumentComment

    version = factory.SubFactory(DocumentVersionFactory)
    document = factory.SelfAttribute("version.document")
    author = factory.SelfAttribute("version.document.owner")
    body = "A remark."
    created_at = factory.LazyFunction(timezone.now)


class UploadFactory(factory.django.DjangoModelFactory[Upload]):
    class Meta:
        model = Upload

    owner = factory.SubFactory(UserFactory)
    name = "large.csv"
    size_bytes = 10
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(timezone.now)


class PresetFactory(factory.django.DjangoModelFactory[Preset]):
    class Meta:
        model = Preset

    kind = "recorder.replay"
    name = factory.Sequence(lambda n: f"preset {n}")
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class KindPolicyFactory(factory.django.DjangoModelFactory[KindPolicy]):
    class Meta:
        model = KindPolicy

    kind = factory.Sequence(lambda n: f"test.kind{n}")
    updated_at = factory.LazyFunction(timezone.now)


class StartFactory(factory.django.DjangoModelFactory[Start]):
    class Meta:
        model = Start

    kind = "recorder.replay"
    owner = factory.SubFactory(UserFactory)
    at = factory.LazyFunction(timezone.now)


class IdempotencyKeyFactory(factory.django.DjangoModelFactory[IdempotencyKey]):
    class Meta:
        model = IdempotencyKey

    owner = factory.SubFactory(UserFactory)
    key = factory.Sequence(lambda n: f"key-{n}")
    fingerprint = "0" * 64
    created_at = factory.LazyFunction(timezone.now)


class ConfigurationFactory(factory.django.DjangoModelFactory[Configuration]):
    class Meta:
        model = Configuration

    name = factory.Sequence(lambda n: f"configuration-{n}")
    title = "A configuration"
    created_by = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)


class ConfigurationVersionFactory(factory.django.DjangoModelFactory[ConfigurationVersion]):
    class Meta:
        model = ConfigurationVersion

    configuration = factory.SubFactory(ConfigurationFactory)
    number = factory.Sequence(lambda n: n + 1)
    text = factory.LazyAttribute(
        lambda version: (
            f"tapedeck: 1\nname: {version.configuration.name}\nfields:\n  - name: amount\n"
        )
    )
    sha256 = "0" * 64
    created_by = factory.SelfAttribute("configuration.created_by")
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class ExtractionRunFactory(factory.django.DjangoModelFactory[ExtractionRun]):
    """The row alone: its job did not run, and left no file."""

    class Meta:
        model = ExtractionRun

    job = factory.SubFactory(JobFactory, kind="documents.extract")
    version = factory.SubFactory(ConfigurationVersionFactory)
    operation = "process"
    evaluation = ExtractionRun.Evaluation.SUCCESS
    created_at = factory.LazyFunction(timezone.now)


class ExtractedDocumentFactory(factory.django.DjangoModelFactory[ExtractedDocument]):
    class Meta:
        model = ExtractedDocument

    run = factory.SubFactory(ExtractionRunFactory)
    position = factory.Sequence(lambda n: n + 1)
    name = "list.csv"
    evaluation = ExtractionRun.Evaluation.SUCCESS


class ExtractedTableFactory(factory.django.DjangoModelFactory[ExtractedTable]):
    class Meta:
        model = ExtractedTable

    document = factory.SubFactory(ExtractedDocumentFactory)
    run = factory.SelfAttribute("document.run")
    number = factory.Sequence(lambda n: n + 1)
    sheet = "Sheet1"
    rows = 0


class CorrectionFactory(factory.django.DjangoModelFactory[Correction]):
    class Meta:
        model = Correction

    run = factory.SubFactory(ExtractionRunFactory)
    kind = Correction.Kind.MAPPING
    table = 1
    column = "A"
    by = factory.SelfAttribute("run.job.owner")
    at = factory.LazyFunction(timezone.now)


class SourceFactory(factory.django.DjangoModelFactory[Source]):
    """A source that was never synced."""

    class Meta:
        model = Source

    kind = "website"
    name = factory.Sequence(lambda n: f"Source {n}")
    owner = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class SourceDocumentFactory(factory.django.DjangoModelFactory[SourceDocument]):
    """The row alone: nothing of it was fetched."""

    class Meta:
        model = SourceDocument

    source = factory.SubFactory(SourceFactory)
    key = factory.Sequence(lambda n: f"http://127.0.0.1/page{n}")
    kind = "page"
    created_at = factory.LazyFunction(timezone.now)


class SourceTextFactory(factory.django.DjangoModelFactory[SourceText]):
    class Meta:
        model = SourceText

    document = factory.SubFactory(SourceDocumentFactory)
    text = "Some text."


class EmbeddingModelFactory(factory.django.DjangoModelFactory[EmbeddingModel]):
    class Meta:
        model = EmbeddingModel

    name = factory.Sequence(lambda n: f"model-{n}")
    dimension = 4
    created_at = factory.LazyFunction(timezone.now)


class ChunkFactory(factory.django.DjangoModelFactory[Chunk]):
    """The row alone: its document's whole text is not kept."""

    class Meta:
        model = Chunk

    document = factory.SubFactory(SourceDocumentFactory)
    source = factory.SelfAttribute("document.source")
    position = factory.Sequence(lambda n: n)
    text = "Some text."
    start = 0
    end = 10
    tokens = 2
    digest = factory.Sequence(lambda n: f"{n:064}")
