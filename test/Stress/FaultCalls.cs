using System.Runtime.InteropServices;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Stress;

/// <summary>What faults.c offers, when it is preloaded.</summary>
internal static class FaultCalls
{
    /// <summary>Lets also those calls of the store that are no .NET's go through it.</summary>
    public static void Attach() => NativeLibrary.SetDllImportResolver(
        typeof(CheckpointStore).Assembly, (name, _, _) => name == "libc" ? NativeLibrary.GetMainProgramHandle() : 0);

    /// <summary>The n-th call below the folder fails; 0: none.</summary>
    public static void Arm(string folder, long n, int error, bool andAllAfter)
    {
        var name = System.Text.Encoding.UTF8.GetBytes(folder + "\0");
        Call<ArmFunction>("faults_arm")(name, n, error, andAllAfter ? 1 : 0);
    }

    /// <summary>The n-th call of that name below the folder fails.</summary>
    public static void Arm(string folder, string name, long n, int error)
    {
        Arm(folder, n, error, andAllAfter: false);
        Call<OnlyFunction>("faults_only")(System.Text.Encoding.UTF8.GetBytes(name + "\0"));
    }

    /// <summary>How many calls there were since.</summary>
    public static long Disarm() => Call<DisarmFunction>("faults_disarm")();

    /// <summary>The call that failed first, or "".</summary>
    public static string Failed() => Marshal.PtrToStringUTF8(Call<FailedFunction>("faults_failed")())!;

    private static T Call<T>(string name)
        where T : Delegate =>
        Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), name));

    private delegate void ArmFunction(byte[] folder, long n, int error, int andAllAfter);

    private delegate void OnlyFunction(byte[] name);

    private delegate long DisarmFunction();

    private delegate nint FailedFunction();
}
