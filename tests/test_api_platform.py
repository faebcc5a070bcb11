import pytest
from django.conf import settings

settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.mark.django_db
def test_x(client):
    r = client.get("/api/schema/")
    print(r.status_code, r.content.decode()[:6000])
    r = client.get("/api/docs/")
    print(r.content.decode())
    r = client.get("/api/docs/?script=")
    print(r.content.decode()[:3000])
    from django.core.management import call_command

    call_command("spectacular", "--fail-on-warn", "--validate", "--file", "/tmp/x.yml")
