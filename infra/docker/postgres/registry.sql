-- Runs once, when the server's data is made: the Schema Registry has a database and a role of its own.
\getenv password REGISTRY_DATABASE_PASSWORD
create role registry login password :'password';
create database registry owner registry;
revoke connect on database registry from public;
