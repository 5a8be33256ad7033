using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What a specification asks for and the operator does not do yet.</summary>
internal static class SpecCheck
{
    public static IEnumerable<Finding> Of(PodMigrationSpec spec)
    {
        if (spec.TcpPolicy == TcpPolicies.Established)
        {
            yield return new Finding("--tcp-policy", Verdict.No, "Established is not supported yet: use Close or Reject");
        }

        if (spec.OnFailure is OnFailurePolicies.ColdStart or OnFailurePolicies.Leave)
        {
            yield return new Finding("--on-failure", Verdict.No, $"{spec.OnFailure} is not supported yet: use Rollback");
        }
    }
}
