using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Component.Images;

/// <summary>Registries that die, hesitate or lie.</summary>
internal sealed class BrokenRegistryTests : ImageFixture
{
    private const int Piece = 2 << 10;
    private Registry _registry = null!;

    [SetUp]
    public async Task StartAsync() => _registry = await Registry.StartAsync();

    [TearDown]
    public void Stop() => _registry.Dispose();

    private long Half => Image.LayerSize / 2;

    // Killed while it notes how much it has, a registry may have lost the upload, and
    // gets all again, as in the next test.
    [Test, Retry(3)]
    public async Task Killed_in_the_middle_of_an_upload_and_back_again_it_gets_the_rest()
    {
        Image.LayerSize.Should().BeGreaterThan(12 * Piece, "else all of it twice would pass for a piece twice");
        var back = Task.CompletedTask;
        using var wire = new Wire(_registry.Host, Half, () =>
        {
            _registry.Kill();
            back = Task.Run(_registry.StartAgainAsync);
        });

        var sent = await PushAsync($"{wire.Host}/counter:1", Patient);

        wire.Broke.Should().BeTrue();
        await back;
        sent.Should().BeInRange(
            Image.LayerSize,
            Image.LayerSize + (3 * Piece) + Image.Config.Length + Image.Manifest.Length,
            "only a piece went twice");
        (await DigestAsync($"{_registry.Host}/counter:1")).Should().Be(Image.ManifestDigest);
    }

    [Test]
    public async Task Killed_with_the_loss_of_what_it_had_it_gets_all_again()
    {
        var back = Task.CompletedTask;
        using var wire = new Wire(_registry.Host, Half, () =>
        {
            _registry.Kill();
            Directory.Delete(_registry.Data, recursive: true);
            back = Task.Run(_registry.StartAgainAsync);
        });

        var sent = await PushAsync($"{wire.Host}/counter:1", Patient);

        await back;
        sent.Should().BeGreaterThan(Image.LayerSize + Half - (2 * Piece));
        (await DigestAsync($"{_registry.Host}/counter:1")).Should().Be(Image.ManifestDigest);
    }

    [Test]
    public async Task Killed_for_good_the_push_fails_cleanly_and_the_next_one_succeeds()
    {
        using var wire = new Wire(_registry.Host, Half, _registry.Kill);
        var pushing = () => PushAsync($"{wire.Host}/counter:1", Quick(o => o.PieceSize = Piece));

        (await pushing.Should().ThrowAsync<RegistryException>()).Which.Failure.Should().Be(RegistryFailure.Unavailable);

        await _registry.StartAgainAsync();
        (await Parts.TryAsync("skopeo", "inspect", "--tls-verify=false", $"docker://{_registry.Host}/counter:1")).Code
            .Should().NotBe(0, "a half image has no name");
        await PushAsync($"{_registry.Host}/counter:1", Quick());
        (await DigestAsync($"{_registry.Host}/counter:1")).Should().Be(Image.ManifestDigest);
    }

    [Test]
    public async Task Nobody_there_is_a_clean_failure_after_the_tries()
    {
        _registry.Kill();
        var pushing = () => PushAsync(
            $"{_registry.Host}/counter:1", Quick(o => (o.Retries, o.RetryDelay) = (2, TimeSpan.FromMilliseconds(5))));

        (await pushing.Should().ThrowAsync<RegistryException>()).Which.Failure.Should().Be(RegistryFailure.Unavailable);
    }

    [TestCase(503)]
    [TestCase(500)]
    [TestCase(429)]
    [TestCase(408)]
    public async Task A_hesitating_one_is_asked_again(int status)
    {
        var seen = new HashSet<string>();
        await using var registry = await Liar.StartAsync(_registry.Host, answer =>
        {
            // Every kind of question once.
            if (answer.Method is "HEAD" or "GET" && seen.Add(answer.Method + answer.Path))
            {
                (answer.Status, answer.Body) = (status, []);
            }
        });

        await PushAsync($"{registry.Host}/counter:1", Quick());

        seen.Should().HaveCountGreaterThan(3);
        (await DigestAsync($"{_registry.Host}/counter:1")).Should().Be(Image.ManifestDigest);
    }

    [Test]
    public async Task Bytes_that_change_on_the_way_are_found_by_the_registry_and_named()
    {
        await using var registry = await Liar.StartAsync(_registry.Host, up: (method, bytes) =>
        {
            if (method == "PATCH")
            {
                bytes[0] ^= 1;
            }

            return bytes;
        });
        var pushing = () => PushAsync($"{registry.Host}/counter:1", Quick());

        (await pushing.Should().ThrowAsync<RegistryException>()).Which.Failure.Should().Be(RegistryFailure.WrongDigest);

        Directory.Exists($"{_registry.Data}/docker/registry/v2/repositories/counter/_manifests").Should().BeFalse();
    }

    [Test]
    public async Task One_whose_answer_to_the_last_piece_is_lost_gets_no_piece_beyond_the_end()
    {
        var (isLost, isBeyond) = (false, false);
        await using var registry = await Liar.StartAsync(
            _registry.Host,
            answer =>
            {
                if (!isLost && answer.Method == "PATCH"
                    && answer.Headers["Range"].EndsWith($"-{Image.LayerSize - 1}", StringComparison.Ordinal))
                {
                    (isLost, answer.Status) = (true, 500);
                }
            },
            (method, bytes) =>
            {
                isBeyond |= method == "PATCH" && bytes.Length == 0;
                return bytes;
            });

        await PushAsync($"{registry.Host}/counter:1", Quick(o => o.PieceSize = Piece));

        isLost.Should().BeTrue();
        isBeyond.Should().BeFalse("its range ends before it begins, which strict registries refuse for good");
        (await DigestAsync($"{_registry.Host}/counter:1")).Should().Be(Image.ManifestDigest);
    }

    [TestCase("PUT", "/manifests/1")]
    [TestCase("HEAD", "/blobs/sha256:")]
    public async Task One_that_answers_another_digest_is_refused(string method, string path)
    {
        await using var registry = await Liar.StartAsync(_registry.Host, answer =>
        {
            if (answer.Method == method && answer.Path.Contains(path, StringComparison.Ordinal))
            {
                answer.Headers["Docker-Content-Digest"] = "sha256:" + new string('0', 64);
            }
        });

        await RefusedAsync(registry);
    }

    [TestCase("/manifests/1")]
    [TestCase("/blobs/sha256:")]
    public async Task One_that_serves_other_bytes_than_it_took_is_refused(string path)
    {
        await using var registry = await Liar.StartAsync(_registry.Host, answer =>
        {
            if (answer is { Method: "GET", Status: 200 } && answer.Path.Contains(path, StringComparison.Ordinal))
            {
                answer.Body = [.. answer.Body, (byte)' '];
            }
        });

        await RefusedAsync(registry);
    }

    [Test]
    public async Task One_that_has_the_layer_in_another_length_is_refused()
    {
        await PushAsync($"{_registry.Host}/counter:1", Quick());
        await using var registry = await Liar.StartAsync(_registry.Host, answer =>
        {
            if (answer.Method == "HEAD" && answer.Path.EndsWith(Image.LayerDigest, StringComparison.Ordinal))
            {
                answer.Headers["Content-Length"] = "17";
            }
        });

        await RefusedAsync(registry);
    }

    private async Task RefusedAsync(Liar registry)
    {
        var pushing = () => PushAsync($"{registry.Host}/counter:1", Quick());

        (await pushing.Should().ThrowAsync<RegistryException>()).Which.Failure.Should().Be(RegistryFailure.WrongDigest);
    }

    private static ImageOptions Patient => Quick(o => (o.Retries, o.PieceSize) = (9, Piece));

    private static async Task<string> DigestAsync(string name) =>
        JsonNode.Parse(await Parts.RunAsync("skopeo", "inspect", "--tls-verify=false", $"docker://{name}"))!["Digest"]!
            .GetValue<string>();
}
