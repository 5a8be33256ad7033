using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Images;

namespace PodCheckpointing.Unit.Images;

public sealed class ImageReferenceTests
{
    [TestCase("registry.example/cart", "registry.example", "cart", "latest", false)]
    [TestCase("registry.example:5000/shop/cart:v1", "registry.example:5000", "shop/cart", "v1", false)]
    [TestCase("registry:5000/cart:v1", "registry:5000", "cart", "v1", false)]
    [TestCase("localhost/cart:v1", "localhost", "cart", "v1", true)]
    [TestCase("localhost:5000/a/b/c:v1", "localhost:5000", "a/b/c", "v1", true)]
    [TestCase("127.0.0.1:5000/a:1", "127.0.0.1:5000", "a", "1", true)]
    [TestCase("[::1]:5000/a:1", "[::1]:5000", "a", "1", true)]
    [TestCase("127.evil.example/a:1", "127.evil.example", "a", "1", false)]
    [TestCase("localhost.evil.example/a:1", "localhost.evil.example", "a", "1", false)]
    [TestCase("10.0.0.1/a_b/c--d:1", "10.0.0.1", "a_b/c--d", "1", false)]
    public void Reads(string text, string host, string repository, string tag, bool local)
    {
        var image = ImageReference.Parse(text);

        image.Should().Be(new ImageReference(host, repository, tag));
        image.IsLocal.Should().Be(local);
    }

    [TestCase("")]
    [TestCase("cart")]
    [TestCase("cart:v1")]
    [TestCase("shop/cart:v1")]
    [TestCase("registry.example/")]
    [TestCase("registry.example/Cart")]
    [TestCase("registry.example/../cart")]
    [TestCase("registry.example/cart:")]
    [TestCase("registry.example/cart:a b")]
    [TestCase("registry.example/cart@sha256:0000000000000000000000000000000000000000000000000000000000000000")]
    [TestCase("https://registry.example/cart")]
    [TestCase("user@registry.example/cart")]
    [TestCase("-registry.example/cart")]
    [TestCase("--root=/tmp/x/cart:1")]
    [TestCase("registry.example/cart\n")]
    public void Refuses(string text)
    {
        var reading = () => ImageReference.Parse(text);

        reading.Should().Throw<FormatException>().Which.Message.Should().Contain("is not host[:port]/repository[:tag]");
    }
}
