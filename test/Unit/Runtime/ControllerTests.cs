using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

public sealed class ControllerTests
{
    [Test]
    public void Conflicts_in_a_row_wait_longer_up_to_a_second()
    {
        var delays = Enumerable.Range(1, 40).Select(n => Controller.DelayAfterConflict(n).TotalMilliseconds).ToList();
        delays.Should().BeInAscendingOrder().And.StartWith([20, 40, 80]).And.EndWith(1000.0);
    }
}
