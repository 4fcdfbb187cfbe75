"""Every model of ours has a factory, and what it makes is a row that the database accepts."""

import pytest
from django.apps import apps
from factory.django import DjangoModelFactory

from tests import factories

OURS = ("jobs", "documents", "ingestion", "recorder", "config")
FACTORIES = {
    each._meta.model: each
    for each in vars(factories).values()
    if isinstance(each, type) and issubclass(each, DjangoModelFactory) and each._meta.model
}
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_factory_that_works_twice(model):
    first, second = FACTORIES[model](), FACTORIES[model]()
    assert first.pk != second.pk
    assert str(model.objects.get(pk=first.pk))
