using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Cli;

/// <summary>Chooses the vectors of a native program when it starts. Native AOT compiles a program for one set of instructions, so the tool
/// is published as two programs: peftcore for AVX2, and peftcore-avx512 beside it, which takes the process over on processors that have
/// AVX-512. On .NET the JIT compiler chooses by itself.</summary>
internal static partial class WideVectors
{
    private const string Suffix = "-avx512";

    /// <summary>.NET's own switch, which holds for both ways of compilation.</summary>
    private const string Switch = "DOTNET_EnableAVX512";

    // What x86-64-v4 adds to x86-64-v3.
    private static readonly string[] Flags = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

    /// <summary>Replaces this process by the program for AVX-512; returns if there is none or the processor cannot run it.</summary>
    public static void TakeOver(string[] args)
    {
        if (RuntimeFeature.IsDynamicCodeSupported || Vector512.IsHardwareAccelerated || !OperatingSystem.IsLinux()
            || Environment.ProcessPath is not { } program || !File.Exists(program + Suffix) || !IsSupported())
        {
            return;
        }
        // Returns only if the program cannot be started; this one then goes on.
        _ = Execute(program + Suffix, [program, .. args, null]);
    }

    // The kernel lists only the features that it saves when it switches threads.
    private static bool IsSupported() => Environment.GetEnvironmentVariable(Switch) != "0"
        && File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal)) is { } line
        && line.Split(' ').Intersect(Flags).Count() == Flags.Length;

    [LibraryImport("libc", EntryPoint = "execv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, string?[] arguments);
}
