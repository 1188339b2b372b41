using System.Diagnostics.CodeAnalysis;
using PeftCore.Backends;
using PeftCore.Cli.Output;
using PeftCore.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>Opens the backend that --device names.</summary>
internal static class Devices
{
    /// <summary>The environment variable that binds the CPU threads to processors, one each, such as "0,1".</summary>
    private const string Affinity = "PEFTCORE_AFFINITY";

    // More threads than any machine has cores; the system refuses to start some tens of thousands.
    private const int MostThreads = 4096;

    /// <summary>Opens a device.</summary>
    /// <param name="name">cpu, cuda or ilgpu-cpu.</param>
    /// <param name="threads">CPU threads; 0 for all cores.</param>
    /// <param name="limit">The most memory to take.</param>
    /// <param name="compute">What a GPU rounds the operands of matrix products to: BF16 for its tensor cores, F32 for not at all.</param>
    /// <param name="captureGraphs">Whether training steps may be captured as graphs and launched again.</param>
    /// <param name="packWeights">Whether the CPU keeps frozen weights packed for matrix products.</param>
    public static Backend Open(string name, int threads = 0, ByteSize? limit = null, DType compute = DType.F32, bool captureGraphs = true,
        bool packWeights = false)
    {
        if (name == "cpu")
        {
            if (threads > MostThreads)
            {
                throw new BadInputException($"--threads is {threads}, expected at most {MostThreads}; 0 takes all cores.");
            }
            return new CpuBackend(threads, limit?.Bytes ?? long.MaxValue, packWeights: packWeights, captureGraphs: captureGraphs,
                processors: Processors());
        }
        if (!HasGpuBackend)
        {
            throw new BadInputException($"--device {name} is not in this program, which was compiled ahead of time (native AOT) and has "
                + "the CPU backend alone; use --device cpu, or the program for .NET: dotnet tool install PeftCore.Cli.");
        }
        try
        {
            return IlgpuDevices.Open(name, compute, limit?.Bytes ?? long.MaxValue, captureGraphs);
        }
        catch (BadInputException e)
        {
            throw new BadInputException(
                $"{e.Message.TrimEnd('.')}; \"peftcore env\" shows the devices there are, and --device cpu always works.", e);
        }
    }

    /// <summary>Whether the program has the GPU backend. ILGPU compiles kernels at run time, so a native AOT program leaves it
    /// out.</summary>
    [FeatureSwitchDefinition("PeftCore.Cli.HasGpuBackend")]
    [FeatureGuard(typeof(RequiresDynamicCodeAttribute))]
    [FeatureGuard(typeof(RequiresUnreferencedCodeAttribute))]
#pragma warning disable IL4000 // The compiler sees no relation of the switch to its value, which the project sets for AOT and trimming.
    private static bool HasGpuBackend => !AppContext.TryGetSwitch("PeftCore.Cli.HasGpuBackend", out bool isOn) || isOn;
#pragma warning restore IL4000

    /// <summary>The devices that ILGPU finds; null if the program does not have ILGPU.</summary>
    public static IlgpuStatus? FindGpus() => HasGpuBackend ? IlgpuDevices.Find() : null;

    private static int[]? Processors()
    {
        if (Environment.GetEnvironmentVariable(Affinity) is not { Length: > 0 } list)
        {
            return null;
        }
        string[] names = list.Split(',', StringSplitOptions.TrimEntries);
        int[] processors = new int[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            if (!NumberText.TryDigits(names[i], out processors[i]))
            {
                throw new BadInputException(
                    $"{Affinity}={list} is no list of processors; expected numbers divided by commas, such as {Affinity}=0,1");
            }
        }
        return processors;
    }
}
