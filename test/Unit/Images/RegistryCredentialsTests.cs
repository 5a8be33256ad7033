using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Unit.Images;

public sealed class RegistryCredentialsTests
{
    private string _file = null!;

    [SetUp]
    public void Name() => _file = Path.GetTempFileName();

    [TearDown]
    public void Remove() => File.Delete(_file);

    [TestCase("a.example", """{"auths":{"a.example":{"auth":"dTpwOnE="}}}""", "u", "p:q")]
    [TestCase("a.example:5000", """{"auths":{"https://a.example:5000":{"auth":"dTpw"}}}""", "u", "p")]
    [TestCase("a.example", """{"auths":{"a.example":{"username":"u","password":"p"}}}""", "u", "p")]
    [TestCase("docker.io", """{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}""", "u", "p")]
    public void Reads_what_docker_writes(string host, string text, string user, string password)
    {
        File.WriteAllText(_file, text);

        RegistryCredentials.For(host, _file).Should().Be(new RegistryCredentials(user, password));
    }

    [TestCase("""{"auths":{"a.example":{"auth":"dTpw"}}}""")]
    [TestCase("""{"auths":{"b.example.evil":{"auth":"dTpw"}}}""")]
    [TestCase("""{"auths":{"b.example":{}}}""")]
    [TestCase("{}")]
    public void Gives_nobody_elses(string text)
    {
        File.WriteAllText(_file, text);

        RegistryCredentials.For("b.example", _file).Should().BeNull();
    }

    [Test]
    public void Needs_no_file() => RegistryCredentials.For("a.example", "").Should().BeNull();

    [TestCase("not JSON: hunter2")]
    [TestCase("""["hunter2"]""")]
    [TestCase("""{"auths":{"a.example":"hunter2"}}""")]
    [TestCase("""{"auths":{"a.example":{"auth":"hunter2 is no base64"}}}""")]
    [TestCase("""{"auths":{"a.example":{"auth":"aHVudGVyMg=="}}}""")]
    public void Says_that_a_file_is_none_without_saying_what_is_in_it(string text)
    {
        File.WriteAllText(_file, text);
        var reading = () => RegistryCredentials.For("a.example", _file);

        reading.Should().Throw<RegistryException>().Which.Message.Should().Contain(_file).And.NotContain("hunter2");
    }

    [Test]
    public void Prints_no_password() =>
        new RegistryCredentials("u", "hunter2").ToString().Should().NotContain("hunter2");
}
