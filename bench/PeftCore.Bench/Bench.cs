using PeftCore.Backends;
using PeftCore.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>A device to measure, and tensors on it.</summary>
internal sealed class Bench : IDisposable
{
    private readonly List<Tensor> _made = [];
    private ulong _stream;

    private Bench(Backend backend) => Backend = backend;

    /// <summary>The CPU and, if present, a card; or the devices in the environment variable, separated by commas.</summary>
    public static IEnumerable<string> Devices => Environment.GetEnvironmentVariable("PEFTCORE_BENCH_DEVICES")?.Split(',')
        ?? (IlgpuDevices.Find().Devices.Any(device => device.Kind == "cuda") ? ["cpu", "cuda"] : ["cpu"]);

    public Backend Backend { get; }

    /// <summary>Opens a device: a card with BF16 activations.</summary>
    public static Bench Open(string device) =>
        new(device == "cpu" ? new CpuBackend() : IlgpuDevices.Open(device, DType.BF16));

    /// <summary>Normal numbers of a given dtype.</summary>
    public Tensor Normal(Shape shape, DType dtype, float deviation = 1)
    {
        using var wide = Backend.NewTensor(shape);
        Backend.FillNormal(wide, 0, deviation, 1, _stream++);
        var stored = Backend.NewTensor(shape, dtype).Keep();
        Backend.Cast(wide, stored);
        _made.Add(stored);
        return stored;
    }

    /// <summary>Normal numbers in the device's dtype of activations.</summary>
    public Tensor Activation(Shape shape) => Normal(shape, Backend.ActivationDType);

    public Tensor Empty(Shape shape, DType dtype)
    {
        var tensor = Backend.NewTensor(shape, dtype).Keep();
        _made.Add(tensor);
        return tensor;
    }

    public Tensor Add(Tensor tensor)
    {
        _made.Add(tensor.Keep());
        return tensor;
    }

    public void Dispose()
    {
        _made.ForEach(tensor => tensor.Dispose());
        Backend.Dispose();
    }
}
