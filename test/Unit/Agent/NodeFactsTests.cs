using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;

namespace PodCheckpointing.Unit.Agent;

public sealed class NodeFactsTests
{
    [TestCase("crun version 1.28\ncommit: 1\nspec: 1.0.0\n+SYSTEMD +SELINUX +CRIU +YAJL\n", "1.28", "")]
    [TestCase(
        "crun version 1.14.1\nspec: 1.0.0\n+SYSTEMD +SELINUX +YAJL\n", "1.14.1", "crun 1.14.1 is built without CRIU")]
    [TestCase("exec: /usr/bin/crun: not found\n", "", "crun does not tell its version: exec: /usr/bin/crun: not found")]
    [TestCase("", "", "crun does not tell its version")]
    public void What_crun_says_of_itself_shows_whether_it_can_checkpoint(string said, string version, string message)
    {
        var crun = NodeFacts.Crun(said);

        crun.Version.Should().Be(version);
        crun.Message.Should().StartWith(message);
        (crun.Message.Length > 0).Should().Be(message.Length > 0);
    }

    [TestCase(
        "crun version 1.26\n+SYSTEMD +CRIU +YAJL\n",
        "/usr/libexec/crio/crun is linked statically: the libcriu that it brings reads no file of options; "
        + "put crun 1.26 or newer there that loads the node's libcriu (config/crio), and restart the node's agent")]
    [TestCase(
        "crun version 1.26\n+SYSTEMD +YAJL\n",
        "crun 1.26 is built without CRIU (crun --version shows no +CRIU); install one that is, and restart the "
        + "node's agent")]
    public void A_crun_that_brings_a_libcriu_of_its_own_cannot_checkpoint(string said, string message) =>
        NodeFacts.Crun(said, "/usr/libexec/crio/crun").Message.Should().Be(message);
}
