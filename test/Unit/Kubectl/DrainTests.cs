using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>A node is emptied, with its pods' memory.</summary>
internal sealed class DrainTests
{
    private NodeCluster _cluster = null!;

    [SetUp]
    public void Begin() => _cluster = new NodeCluster().WithNode().WithNode(name: "node-b").WithNode(name: "node-c");

    [Test]
    public async Task Moves_what_can_be_moved_names_the_rest_and_leaves_alone_what_holds_up_nothing()
    {
        MakePods();

        var (code, output, error) = await RunAsync("--to node-c --tcp-policy Reject --ttl 24h");

        (code, error).Should().Be((ExitCode.Failed, ""));
        _cluster.Node.Spec!.Unschedulable.Should().BeTrue();
        _cluster.All
            .Should().HaveCount(2).And.OnlyContain(m => m.Metadata.Labels!["lpm.my.domain/drained-node"] == "node-a");
        _cluster.All.Select(m => (m.Metadata.NamespaceProperty, m.Spec)).Should().Equal(
            ("base", Spec("dns")), ("shop", Spec("web")));
        output
            .Should().StartWith(
                "node/node-a cordoned\nbase/dns: podmigration.lpm.my.domain/dns-1 created\nshop/web: "
                    + "podmigration.lpm.my.domain/web-2 created\n")
            .And.MatchRegex(@"\d\d:\d\d:\d\d\.\d  Completed, Restored   shop/web: web: Restored\n")
            .And.MatchRegex(
                "\n\nNAMESPACE +POD +MIGRATION +RESULT +RESTORED-POD +DOWNTIME +MESSAGE\nbase +dns +dns-1 "
                    + "+Completed, Restored +dns-m +500ms +dns: Restored\n")
            .And.MatchRegex(
                "\nshop +db-0 +stays +PodNotMigratable: it belongs to StatefulSet o, which knows its pods by their "
                    + "names")
            .And.MatchRegex(
                "\nshop +solo +stays +PodNotMigratable: spec.volumes \"v\" is a hostPath").And.NotContain("ended")
            .And.EndWith(
                "\nLeft on node-a: shop/db-0, shop/solo.\n"
                + "To evict what is left, without its memory: kubectl drain node-a --ignore-daemonsets "
                + "--delete-emptydir-data --force\n"
                + "With --force that deletes shop/solo for good: nobody starts a pod again that has no controller.\n");

        static PodMigrationSpec Spec(string pod) =>
            new() { PodName = pod, PodUID = "uid-"
                + pod, TargetNode = "node-c", TcpPolicy = "Reject", TtlSecondsAfterFinished = 86400 };
    }

    [Test]
    public async Task Run_again_it_begins_nothing_twice_and_says_the_same()
    {
        MakePods();
        await RunAsync("");

        var (code, output, _) = await RunAsync("");

        code.Should().Be(ExitCode.Failed);
        _cluster.All.Should().HaveCount(2);
        output.Should().StartWith("node/node-a already cordoned\n\nNAMESPACE").And.Contain(
            "\nLeft on node-a: shop/db-0, shop/solo.\n");
    }

    [Test]
    public async Task Says_so_when_nothing_is_left()
    {
        _cluster.WithPod("shop/web").WithPod("base/proxy", "DaemonSet");

        var (code, output, _) = await RunAsync("");

        code.Should().Be(ExitCode.Ok);
        output.Should().EndWith(
            "\nNothing is left on node-a that would hold up kubectl drain. Afterwards: kubectl uncordon node-a\n");
        (await RunAsync("-q")).Should().Be((ExitCode.Ok, "", ""));
    }

    [Test]
    public async Task Looks_only_at_what_is_asked_for()
    {
        V1Pod Labelled(V1Pod pod) =>
            pod with { Metadata = pod.Metadata with { Labels = new Dictionary<string, string> { ["app"] = "web" } } };
        _cluster.WithPod("shop/web", with: Labelled).WithPod("shop/other").WithPod("base/dns", with: Labelled);

        var (code, output, _) = await RunAsync("-n shop -l app=web");

        code.Should().Be(ExitCode.Ok);
        _cluster.All.Should().ContainSingle().Which.Metadata.NamespaceProperty.Should().Be("shop");
        output.Should().Contain("Nothing of what was asked for (-n shop --selector 'app=web') is left on node-a");
        (await RunAsync("-A")).Code.Should().Be(ExitCode.Ok);
        _cluster.All.Should().HaveCount(3);
    }

    [Test]
    public async Task A_failure_stops_no_other_and_fails_in_the_end()
    {
        _cluster.WithPod("shop/a").WithPod("shop/b").WithPod("shop/c");
        _cluster.Operator = m => m.Spec.PodName switch
        {
            "a" => NodeCluster.Ended(m, Outcomes.RolledBack, Reasons.RestoreFailed, "CRIU\nsays no"),
            "b" => NodeCluster.Ended(m, Outcomes.ColdStarted),
            _ => NodeCluster.Ended(m, Outcomes.Restored),
        };

        var (code, output, _) = await RunAsync("");
        var (quiet, said, error) = await RunAsync("-q");

        (code, quiet, said).Should().Be((ExitCode.Failed, ExitCode.Failed, ""));
        output.Should().MatchRegex("  Failed, RolledBack, RestoreFailed +shop/a: CRIU says no\n").And.MatchRegex(
            "\nshop +c +c-3 +Completed, Restored")
            .And.Contain("\nLeft on node-a: shop/a.\n");
        error.Should().Be("error: pod shop/a: Failed, RolledBack, RestoreFailed: CRIU\nsays no\n");
    }

    [Test]
    public async Task A_pod_that_is_still_being_brought_there_is_moved_on_when_it_has_arrived()
    {
        var brings =
            Migration("brings", "old", m => m with { Status = new PodMigrationStatus { RestoredPodName = "web" } });
        _cluster.WithPod("shop/web").WithPod("shop/first");
        _cluster.Put(brings);
        _cluster.Created = m =>
        {
            if (m.Spec.PodName == "first")
            {
                _cluster.Answer(brings, NodeCluster.Ended(brings, Outcomes.Restored) with { RestoredPodName = "web" });
            }
        };

        var (code, output, _) = await RunAsync("");

        code.Should().Be(ExitCode.Ok);
        output.Should().Contain("shop/web: podmigration.lpm.my.domain/brings is under way already\n");
        _cluster.All.Select(m => m.Spec.PodName).Should().Equal("first", "web");
    }

    [Test]
    public async Task Of_one_namespace_no_eviction_from_all_is_proposed()
    {
        _cluster.WithPod("shop/stuck");
        _cluster.Operator = m => NodeCluster.Ended(m, Outcomes.RolledBack, Reasons.RestoreFailed, "no");

        var (code, output, _) = await RunAsync("-n shop");

        code.Should().Be(ExitCode.Failed);
        output.Should().NotContain("kubectl drain node-a").And.Contain(
            "kubectl podmigration drain node-a without -n first");
    }

    [Test]
    public async Task Joins_what_is_under_way_whoever_has_begun_it()
    {
        _cluster.WithPod("shop/web").WithPod("shop/new");
        _cluster.Put(Migration("by-hand", "web"));
        // Neither is the pod's: one asks only, one is of a pod that had its name.
        _cluster.Put(Migration("question", "new", m => m with { Spec = m.Spec with { DryRun = true } }));
        _cluster.Put(Migration("of-old", "new", m => m with { Spec = m.Spec with { PodUID = "uid-old" } }));
        _cluster.Created = _ => _cluster.Answer(
            Migration("by-hand", "web"), NodeCluster.Ended(Migration("by-hand", "web"), Outcomes.Restored));

        var (code, output, _) = await RunAsync("");

        code.Should().Be(ExitCode.Ok);
        _cluster.All.Should().ContainSingle().Which.Spec.PodName.Should().Be("new");
        output.Should().Contain("shop/web: podmigration.lpm.my.domain/by-hand is under way already\n").And.MatchRegex(
            "\nshop +web +by-hand +Completed, Restored");
    }

    [Test]
    public async Task Of_two_drains_at_once_the_one_that_is_refused_follows_the_other()
    {
        _cluster.WithPod("shop/web");
        var theirs = Migration("theirs", "web");
        _cluster.Operator = m =>
        {
            _cluster.Put(theirs);
            return NodeCluster.Ended(m, Outcomes.RolledBack, Reasons.MigrationInProgress);
        };
        var output = new Lines(line =>
        {
            if (line.Contains("theirs is under way already", StringComparison.Ordinal))
            {
                _cluster.Answer(theirs, NodeCluster.Ended(theirs, Outcomes.Restored));
            }
        });

        var code = await new Shell(_cluster).RunAsync(
            "podmigration drain node-a".Split(' '), output, CancellationToken.None);

        code.Code.Should().Be(ExitCode.Ok);
        _cluster.All.Should().ContainSingle();
    }

    [Test]
    public async Task Takes_pods_that_come_or_begin_to_run_meanwhile()
    {
        _cluster.WithPod("shop/web").WithPod(
            "shop/slow", with: pod => pod with { Status = pod.Status! with { Phase = "Pending" } });
        _cluster.Created = m =>
        {
            if (m.Spec.PodName == "web")
            {
                _cluster.WithPod("shop/slow").WithPod("shop/late");
            }
        };

        var (code, _, _) = await RunAsync("");

        code.Should().Be(ExitCode.Ok);
        _cluster.All.Select(m => m.Spec.PodName).Should().Equal("web", "late", "slow");
    }

    [Test]
    public async Task Says_what_a_migration_waits_for()
    {
        _cluster.WithPod("shop/web");
        var stalled = new PodMigrationStatus { Conditions = [new V1Condition
        {
            Type = ConditionTypes.Stalled,
            Status = "True",
            Reason = "TargetUnreachable",
            Message = "node-b is silent",
        }] };
        _cluster.Operator = _ => stalled;
        var output = new Lines(line =>
        {
            if (line.Contains("waits", StringComparison.Ordinal))
            {
                var waiting = _cluster.Migrations.Single();
                _cluster.Answer(waiting, NodeCluster.Ended(waiting, Outcomes.Restored));
            }
        });

        (await new Shell(_cluster)
            .RunAsync("podmigration drain node-a".Split(' '), output, CancellationToken.None)).Code
            .Should().Be(ExitCode.Ok);

        output.ToString().Should().MatchRegex("  waits +shop/web: TargetUnreachable: node-b is silent\n");
    }

    [Test]
    public async Task Interrupted_it_leaves_what_was_begun_and_says_how_to_go_on()
    {
        _cluster.WithPod("shop/web").WithPod("shop/next");
        _cluster.Operator = _ => null;
        using var stop = new CancellationTokenSource();
        _cluster.Created = _ => stop.Cancel();

        var (code, output, error) = await new Shell(_cluster).RunAsync(
            "podmigration drain node-a -n shop --to node-c".Split(' '), new StringWriter(), stop.Token);

        code.Should().Be(ExitCode.Interrupted);
        output.Should().MatchRegex("\nshop +next +next-1 +goes on\nshop +web +not begun\n");
        error.Should().Be(
            "error: stopped waiting; what was begun goes on.\nGo on with it: the same command again joins it, and "
            + "begins what was not\n"
            + "Stop one:      kubectl podmigration abort NAME -n NAMESPACE\nTake pods:     kubectl uncordon node-a\n");
        _cluster.Migrations.Should().ContainSingle();
    }

    [Test]
    public async Task Waits_no_longer_than_it_may()
    {
        _cluster.WithPod("shop/web");
        _cluster.Operator = _ => null;

        var (code, output, error) = await RunAsync("--wait-timeout 10ms");

        code.Should().Be(ExitCode.TimedOut);
        output.Should().MatchRegex("\nshop +web +web-1 +goes on\n");
        error.Should().StartWith("error: node-a is not empty within 10ms (--wait-timeout); what was begun goes on.\n");
    }

    [Test]
    public async Task Has_a_migration_deleted_under_its_hands_fail()
    {
        _cluster.WithPod("shop/web");
        _cluster.Operator = _ => null;
        _cluster.Created = m => _ = _cluster.DeleteAsync<PodMigration>(
            "shop", m.Metadata.Name!, new V1DeleteOptions(), CancellationToken.None);

        var (code, output, _) = await RunAsync("");

        code.Should().Be(ExitCode.Failed);
        output.Should().MatchRegex(
            "\nshop +web +web-1 +not known +PodMigration web-1 was deleted before its end was seen\n");
    }

    [TestCase("")]
    [TestCase("Failed")]
    public async Task A_pod_that_is_terminating_is_waited_for(string end)
    {
        _cluster.WithPod("shop/web").WithPod("shop/going", with: Terminating);
        var output = new Lines(line =>
        {
            if (line != "shop/going: terminating, waited for")
            {
                return;
            }

            // kubelet says that it has ended before its object goes.
            if (end.Length > 0)
            {
                _cluster.WithPod(
                    "shop/going", with: pod => Terminating(pod) with { Status = pod.Status! with { Phase = end } });
            }
            else
            {
                _cluster.Take<V1Pod>("shop", "going");
            }
        });

        var (code, _, error) =
            await new Shell(_cluster).RunAsync("podmigration drain node-a".Split(' '), output, CancellationToken.None);

        (code, error).Should().Be((ExitCode.Ok, ""));
        _cluster.All.Should().ContainSingle().Which.Spec.PodName.Should().Be("web");
        output.ToString().Should().EndWith(
            "\nNothing is left on node-a that would hold up kubectl drain. Afterwards: kubectl uncordon node-a\n");
    }

    [Test]
    public async Task One_that_terminates_for_longer_than_the_drain_may_take_is_named()
    {
        _cluster.WithPod("shop/going", with: Terminating);

        var (code, output, error) = await RunAsync("--wait-timeout 10ms");
        var quiet = await RunAsync("--wait-timeout 10ms -q");

        (code, quiet.Code, quiet.Output).Should().Be((ExitCode.TimedOut, ExitCode.TimedOut, ""));
        output.Should().MatchRegex("\nshop +going +terminating\n");
        error.Should().StartWith(
            "error: node-a is not empty within 10ms (--wait-timeout): shop/going is still terminating; what was "
                + "begun goes on.\n");
        quiet.Error.Should().StartWith(
            "error: node-a is not empty within 10ms (--wait-timeout): shop/going is still terminating; ");
    }

    [Test]
    public async Task Who_comes_while_another_terminates_is_moved_when_that_is_gone()
    {
        _cluster.WithPod("shop/going", with: Terminating);
        var output = new Lines(line =>
        {
            if (line == "shop/going: terminating, waited for")
            {
                _cluster.WithPod("shop/late");
                _cluster.Take<V1Pod>("shop", "going");
            }
        });

        (await new Shell(_cluster)
            .RunAsync("podmigration drain node-a".Split(' '), output, CancellationToken.None)).Code
            .Should().Be(ExitCode.Ok);

        _cluster.All.Should().ContainSingle().Which.Spec.PodName.Should().Be("late");
    }

    [TestCase("watch podmigrations", "", "you may not watch podmigrations.lpm.my.domain in all namespaces")]
    [TestCase("watch podmigrations shop", "-n shop", "you may not watch podmigrations.lpm.my.domain in namespace shop")]
    [TestCase("watch pods", "", "you may not watch pods in all namespaces")]
    [TestCase(
        "create podmigrations base", "-n base", "you may not create podmigrations.lpm.my.domain in namespace base")]
    [TestCase(
        "create podmigrations", "", "you may not create podmigrations.lpm.my.domain in namespace base, nor in shop")]
    [TestCase(
        "patch nodes", "",
        "node-a cannot be cordoned: you may not patch nodes\nHave somebody do it who may (kubectl cordon node-a), "
            + "and drain it then.")]
    public async Task Who_lacks_a_right_is_told_before_anything_is_changed(string right, string options, string message)
    {
        MakePods();
        _cluster.WithPod("shop/going", with: Terminating);
        _cluster.May = asked => !asked.StartsWith(right, StringComparison.Ordinal);

        var (code, output, error) = await RunAsync(options);

        (code, output, error).Should().Be((ExitCode.Refused, "", $"error: {message}\nNothing was changed.\n"));
        _cluster.Node.Spec!.Unschedulable.Should().BeNull();
        _cluster.All.Should().BeEmpty();
    }

    [Test]
    public async Task Only_the_rights_that_are_needed_are_asked_for()
    {
        _cluster.WithNode(cordoned: true).WithPod("shop/stuck", "StatefulSet").WithPod("base/proxy", "DaemonSet");
        _cluster.May = _ => false;
        _cluster.Take<CheckpointNode>(null, "node-a");

        var (code, output, error) = await RunAsync("");

        (code, error).Should().Be((ExitCode.Failed, ""));
        output.Should().Contain("\nLeft on node-a: shop/stuck.\n");
    }

    [Test]
    public async Task A_right_in_one_of_the_namespaces_is_enough_and_so_is_a_server_that_does_not_tell()
    {
        MakePods();
        _cluster.May = asked => asked != "create podmigrations base";
        _cluster.Refuses =
            write => write is PodMigration { Metadata.NamespaceProperty: "base" } ? Forbidden("no") : null;
        await RunAsync("");
        _cluster.All.Should().ContainSingle().Which.Spec.PodName.Should().Be("web");

        _cluster.May = null;
        _cluster.Refuses = _ => null;
        await RunAsync("");
        _cluster.All.Select(m => m.Spec.PodName).Should().Equal("web", "dns");
    }

    [Test]
    public async Task A_cluster_without_us_keeps_its_node_as_it_is()
    {
        MakePods();
        _cluster.Hides = (_, kind) => kind == typeof(PodMigration)
            ? new KubernetesException(HttpStatusCode.NotFound, new V1Status { Message = "404 page not found" })
            : null;

        var (code, output, error) = await RunAsync("");

        (code, output).Should().Be((ExitCode.Refused, ""));
        error.Should().StartWith("error: this cluster does not know the kind: install PodCheckpointing");
        _cluster.Node.Spec!.Unschedulable.Should().BeNull();
    }

    [TestCaseSource(nameof(Hindrances))]
    public async Task What_would_keep_every_pod_is_told_before_anything_is_changed(
        Action<NodeCluster> hinder, string options, int code, string message)
    {
        MakePods();
        hinder(_cluster);

        (await RunAsync(options)).Should().Be((code, "", $"error: {message}\nNothing was changed.\n"));

        _cluster.Node.Spec!.Unschedulable.Should().BeNull();
        _cluster.All.Should().BeEmpty();
    }

    [TestCase("")]
    [TestCase("--to node-c")]
    public async Task An_agent_that_did_not_answer_a_minute_ago_hinders_nothing(string options)
    {
        _cluster.WithPod("shop/web");
        foreach (var node in new[] { "node-a", "node-b", "node-c" })
        {
            _cluster.Telling(node, "Unknown", Reasons.AgentUnavailable, "Connection refused");
        }

        (await RunAsync(options)).Code.Should().Be(ExitCode.Ok);
    }

    [Test]
    public async Task Nodes_that_the_user_may_not_see_hinder_nothing()
    {
        MakePods();
        _cluster.Hides = (verb, kind) => kind == typeof(CheckpointNode)
            || (kind == typeof(V1Node) && verb == "list") ? Forbidden("no") : null;

        await RunAsync("");

        _cluster.All.Should().HaveCount(2);
    }

    private static IEnumerable<TestCaseData> Hindrances()
    {
        yield return Case(
            "no operator", c => c.Take<CheckpointNode>(null, "node-a"), "", ExitCode.Failed,
            "no operator has looked at node-a yet: does it run? kubectl get pods -A -l "
                + "app.kubernetes.io/name=pod-checkpointing-operator");
        yield return Case(
            "no agent", c => c.Telling("node-a", "False", Reasons.AgentMissing, "no agent's pod is on this node"), "",
            ExitCode.Failed,
            "nothing can be moved away from node-a: no agent's pod is on this node (kubectl podmigration nodes "
                + "node-a)");
        yield return Case(
            "no such target",
            _ => { },
            "--to node-x",
            ExitCode.Refused,
            "--to node-x: there is no such node: see kubectl get nodes");
        yield return Case(
            "target not ready", c => c.Telling(
                "node-c",
                "False",
                Reasons.NodeNotCapable,
                "no pod can be moved to this node: no handler"), "--to node-c", ExitCode.Failed,
            "--to node-c: no pod can be moved to this node: no handler (kubectl podmigration nodes node-c)");
        yield return Case(
            "target cordoned", c => c.WithNode(cordoned: true, name: "node-c"), "--to node-c", ExitCode.Failed,
            "--to node-c: node-c is cordoned: kubectl uncordon it, or choose another node");
        yield return Case(
            "nowhere to go", c => c.WithNode(cordoned: true, name: "node-c").Telling(
                "node-b", "False", Reasons.NodeNotCapable, "no handler"), "", ExitCode.Failed,
            "no other node takes pods: see kubectl podmigration nodes and kubectl get nodes");

        static TestCaseData Case(string name, Action<NodeCluster> hinder, string options, int code, string message) =>
            new TestCaseData(hinder, options, code, message).SetArgDisplayNames(name);
    }

    [Test]
    public async Task Who_may_not_cordon_is_told_what_to_do()
    {
        _cluster.WithPod("shop/web");
        _cluster.Refuses = write => write is string ? Forbidden("nodes \"node-a\" is forbidden") : null;

        var refused = await RunAsync("");
        _cluster.WithNode(cordoned: true);
        var cordoned = await RunAsync("-q");

        refused.Should().Be((
            ExitCode.Refused, "",
            "error: node-a cannot be cordoned: nodes \"node-a\" is forbidden\n"
            + "Have somebody do it who may patch nodes (kubectl cordon node-a), and drain it then.\n"));
        cordoned.Should().Be((ExitCode.Ok, "", ""));
    }

    /// <summary>403 is a missing right, a quota or a namespace that goes; policies
    /// say 422, some webhooks 400.</summary>
    [TestCase(HttpStatusCode.Forbidden)]
    [TestCase(HttpStatusCode.UnprocessableEntity)]
    [TestCase(HttpStatusCode.BadRequest)]
    public async Task A_namespace_that_takes_no_migration_keeps_its_pods_and_holds_up_no_other(HttpStatusCode code)
    {
        _cluster.WithPod("going/app").WithPod("shop/web");
        var refusal = new KubernetesException(
            code, new V1Status { Reason = $"{code}", Message = "namespace going is being terminated" });
        _cluster.Refuses = write => write is PodMigration { Metadata.NamespaceProperty: "going" } ? refusal : null;

        var (exit, output, _) = await RunAsync("");
        var plan = await RunAsync("--plan");

        exit.Should().Be(ExitCode.Failed);
        output.Should().MatchRegex(
            "\ngoing +app +stays +the API server refuses its PodMigration: namespace going is being terminated\n")
            .And.MatchRegex("\nshop +web +web-1 +Completed, Restored");
        plan.Output.Should().StartWith(
            "going/app: stays: the API server refuses the question that the operator is asked about it: namespace "
                + "going is being terminated\n");
    }

    [Test]
    public async Task Plans_by_the_operators_word_and_changes_nothing()
    {
        MakePods();
        _cluster.WithPod("shop/busy");
        _cluster.Put(
            Migration("by-hand", "busy", m => m with { Status = new PodMigrationStatus { TargetNode = "node-c" } }));
        _cluster.Operator = m => m.Spec.PodName is "db-0"
            ? NodeCluster.Ended(
                m, Outcomes.WouldFail, Reasons.PodNotMigratable,
                "PodNotMigratable: of a StatefulSet; NotEnoughSpace: full")
            : NodeCluster.Ended(m, Outcomes.WouldMigrate);

        var (code, output, error) = await RunAsync("--plan");

        (code, error).Should().Be((ExitCode.Failed, ""));
        output.Should().Be(
            """
            base/dns: moves to node-b
            base/ended: ignored: finished (Succeeded)
            base/etcd: ignored: static pod
            base/proxy: ignored: DaemonSet o
            shop/busy: moves to node-c: by-hand is under way
            shop/db-0: stays: PodNotMigratable: of a StatefulSet; NotEnoughSpace: full
            shop/solo: moves to node-b
            shop/web: moves to node-b

            Of node-a: 4 would move, 1 would stay, 3 ignored. Nothing was changed.
            Each was looked at alone: what one takes of a node's room is missing to the next.

            """);
        _cluster.All.Should().HaveCount(4).And.OnlyContain(
            m => m.Spec.DryRun == true && m.Spec.PodUID == "uid-" + m.Spec.PodName);
        _cluster.Migrations.Should().ContainSingle("the questions are gone").Which.Metadata.Name.Should().Be("by-hand");
        _cluster.Node.Spec!.Unschedulable.Should().BeNull();
        (await RunAsync("--plan -q")).Should().Be((ExitCode.Failed, "", ""));
        (await RunAsync("--plan -n base")).Code.Should().Be(ExitCode.Ok);
        _cluster.WithPod("base/going", with: Terminating);
        var going = await RunAsync("--plan -n base");
        going.Code.Should().Be(ExitCode.Ok);
        going.Output.Should().Contain("\nbase/going: terminating: a drain waits for it\n")
            .And.Contain(
                "\nOf node-a: 1 would move, 1 is terminating, 0 would stay, 3 ignored. Nothing was changed.\n");
    }

    [Test]
    public async Task Asks_of_many_pods_a_few_at_a_time_and_takes_every_question_back_when_it_is_interrupted()
    {
        foreach (var i in Enumerable.Range(0, 30))
        {
            _cluster.WithPod($"shop/web-{i}");
        }

        (await RunAsync("--plan -q")).Code.Should().Be(ExitCode.Ok);
        _cluster.MostQuestions.Should().BeInRange(1, 8);
        _cluster.Operator = _ => null;
        using var stop = new CancellationTokenSource();
        _cluster.Created = _ =>
        {
            if (_cluster.Migrations.Count == 8)
            {
                stop.Cancel();
            }
        };

        var said = await new Shell(_cluster).RunAsync(
            "podmigration drain node-a --plan".Split(' '), new StringWriter(), stop.Token);

        said.Should().Be((ExitCode.Interrupted, "", "error: interrupted; nothing was changed\n"));
        _cluster.Migrations.Should().BeEmpty();
    }

    [Test]
    public async Task Knows_its_nodes()
    {
        (await RunAsync("--to node-a")).Should().Be(
            (ExitCode.Usage, "", "error: --to node-a is the node that is to be emptied: name another one\n"));
        foreach (var line in new[] { "", " --plan" })
        {
            (await new Shell(_cluster).RunAsync("podmigration drain node-x" + line))
                .Should().Be((ExitCode.Refused, "", "error: from server (NotFound): \"node-x\" not found\n"));
        }
    }

    private Task<(int Code, string Output, string Error)> RunAsync(string options) =>
        new Shell(_cluster).RunAsync("podmigration drain node-a " + options);

    private void MakePods() => _cluster
        .WithPod("shop/web", "ReplicaSet")
        .WithPod("shop/db-0", "StatefulSet")
        .WithPod("base/proxy", "DaemonSet")
        .WithPod("base/dns")
            .WithPod("shop/solo", with: pod => pod with
            {
                Spec = pod.Spec with { Volumes = [new V1Volume
                {
                    Name = "v",
                    HostPath = new() { Path = "/" },
                }, new V1Volume { Name = "e", EmptyDir = new() }] },
            })
            .WithPod("base/ended", with: pod => pod with { Status = pod.Status! with { Phase = "Succeeded" } })
            .WithPod("base/etcd", "Node", pod => pod with
            {
                Metadata = pod.Metadata with
                {
                    Annotations = new Dictionary<string, string> { ["kubernetes.io/config.mirror"] = "x" },
                },
            });

    private static PodMigration Migration(string name, string pod, Func<PodMigration, PodMigration>? with = null)
    {
        var migration = new PodMigration
        {
            Metadata = new V1ObjectMeta { NamespaceProperty = "shop", Name = name, Uid = "uid-"
                + name, ResourceVersion = "1" },
            Spec = new PodMigrationSpec { PodName = pod },
        };
        return with is null ? migration : with(migration);
    }

    private static V1Pod Terminating(V1Pod pod) =>
        pod with { Metadata = pod.Metadata with { DeletionTimestamp = DateTime.UnixEpoch } };

    private static KubernetesException Forbidden(string message) =>
        new(HttpStatusCode.Forbidden, new V1Status { Reason = "Forbidden", Message = message });

    /// <summary>Shows every line to somebody.</summary>
    private sealed class Lines(Action<string> seen) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            seen(value ?? "");
        }
    }
}
