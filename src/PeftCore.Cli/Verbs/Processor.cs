using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Cli.Verbs;

/// <summary>The CPU's name and features.</summary>
internal static class Processor
{
    /// <summary>Width of the vectors that the kernels use.</summary>
    public static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector<byte>.Count * 8;

    /// <summary>The instruction sets that the kernels use.</summary>
    public static IEnumerable<string> Features()
    {
        (string Name, bool There)[] all =
        [
            ("sse4.2", Sse42.IsSupported), ("avx", Avx.IsSupported), ("avx2", Avx2.IsSupported), ("fma", Fma.IsSupported),
            ("avx512f", Avx512F.IsSupported), ("avx512bw", Avx512BW.IsSupported), ("avx512vbmi", Avx512Vbmi.IsSupported),
            ("avx10.1", Avx10v1.IsSupported),
            ("neon", AdvSimd.IsSupported), ("dotprod", Dp.IsSupported),
        ];
        return all.Where(feature => feature.There).Select(feature => feature.Name);
    }

    /// <summary>The CPU's model name if the system reports it, otherwise the architecture.</summary>
    public static string Name()
    {
        const string Linux = "/proc/cpuinfo";
        string? name = File.Exists(Linux)
            ? File.ReadLines(Linux).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return string.IsNullOrEmpty(name) ? RuntimeInformation.ProcessArchitecture.ToString() : name;
    }
}
