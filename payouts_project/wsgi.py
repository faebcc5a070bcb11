"""The door that gunicorn opens."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from payouts import tenancy

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payouts_project.settings")

application = get_wsgi_application()
if not settings.SANDBOX:
    tenancy.refuse_owner()
