"""The web application on Vercel."""
