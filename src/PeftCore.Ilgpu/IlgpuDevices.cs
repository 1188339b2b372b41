using System.Diagnostics.CodeAnalysis;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Finds the devices that ILGPU can use.</summary>
/// <example>
/// <code>
/// foreach (var found in IlgpuDevices.Find().Devices)
/// {
///     Console.WriteLine($"{found.Kind}: {found.Name}");
/// }
/// using var backend = IlgpuDevices.Open("ilgpu-cpu"); // "cuda" on a machine with a card
/// using var scope = new TensorScope();
/// Console.WriteLine(backend.From([1f, 2, 3], [3]).Sum().Item()); // 6
/// </code>
/// </example>
public static class IlgpuDevices
{
    private const string RunTimeCode = "ILGPU compiles kernels at run time from the program's IL, which trimming and native AOT remove.";

    /// <summary>Opens a device and returns its backend.</summary>
    /// <param name="device"><c>cuda</c>, <c>cuda:1</c>, …, or <c>ilgpu-cpu</c>.</param>
    /// <param name="computeDType">The dtype of activations, and of the operands of matrix products: F32, or BF16, with which products run
    /// on the card's tensor cores. Sums and trainable parameters are always F32.</param>
    /// <param name="memoryLimit">Upper bound of the bytes allocated on the card.</param>
    /// <param name="captureGraphs">Capture training passes over batches of one shape as graphs, and replay them.</param>
    /// <exception cref="BadInputException">The machine has no such device.</exception>
    [RequiresDynamicCode(RunTimeCode)]
    [RequiresUnreferencedCode(RunTimeCode)]
    public static Backend Open(string device, DType computeDType = DType.F32, long memoryLimit = long.MaxValue,
        bool captureGraphs = true) => Open(device, new IlgpuOptions(computeDType, MemoryLimit: memoryLimit, CaptureGraphs: captureGraphs));

    internal static Backend Open(string device, IlgpuOptions options) => new IlgpuBackend(DeviceName.Parse(device), options);

    /// <summary>Bytes of the chunks in which memory is taken from a device, for a memory plan.</summary>
    /// <param name="device"><c>cuda</c>, <c>cuda:1</c>, …, or any other name for host memory.</param>
    public static long ChunkBytes(string device) =>
        device.StartsWith(DeviceName.Cuda, StringComparison.Ordinal) ? IlgpuBackend.CardChunk : Arena.DefaultChunk;

    /// <summary>Lists the devices that the driver reports, and the CPU accelerator. Without a driver the list holds only the
    /// latter.</summary>
    [RequiresDynamicCode(RunTimeCode)]
    [RequiresUnreferencedCode(RunTimeCode)]
    public static IlgpuStatus Find()
    {
        CudaDriver.Resolve();
        using var context = Context.Create(builder => builder.Cuda().CPU(CPUDevice.Default));
        ComputeDevice[] devices = [.. context.Devices.OrderBy(device => device is not CudaDevice).Select(Describe)];
        int cards = devices.Count(device => device.Kind == "cuda");
        string detail = cards == 0
            ? "no CUDA device was found (no NVIDIA card, or no driver); ilgpu-cpu checks kernels without one"
            : $"{cards} CUDA device{(cards == 1 ? "" : "s")}";
        return new IlgpuStatus(Context.Version, detail, devices);
    }

    private static ComputeDevice Describe(Device device) => device is CudaDevice card
        ? new ComputeDevice("cuda", card.Name, card.MemorySize, card.Architecture?.ToString())
        : new ComputeDevice("ilgpu-cpu", device.Name);
}
