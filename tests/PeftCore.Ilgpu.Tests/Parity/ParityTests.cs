using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Every backend method against the CPU's, on one device.</summary>
public abstract class ParityTests(string device, bool big, DType compute = DType.F32, bool asAmpere = false)
{
    private CpuBackend _cpu = null!;
    private Backend? _device;

    public static IEnumerable<string> Checks => ParityChecks.All.Keys;

    [OneTimeSetUp]
    public void OpenDevices()
    {
        _cpu = new CpuBackend(poison: true);
        try
        {
            _device = IlgpuDevices.Open(device, new IlgpuOptions(compute, Poison: true) { AsAmpere = asAmpere });
        }
        catch (BadInputException e)
        {
            _cpu.Dispose();
            Assert.Ignore(e.Message);
        }
    }

    [OneTimeTearDown]
    public void CloseDevices()
    {
        _device?.Dispose();
        _cpu.Dispose();
    }

    protected void Check(string check) =>
        Assert.That(() => (ParityChecks.All.GetValueOrDefault(check) ?? ParityChecks.TensorCores[check])(new ParityBench(_cpu, _device!,
            big)), Throws.Nothing);
}

[TestFixture]
public sealed class IlgpuCpuParityTests() : ParityTests("ilgpu-cpu", big: false)
{
    [TestCaseSource(nameof(Checks))]
    public void Agrees_with_the_cpu(string check) => Check(check);
}

[TestFixture]
public sealed class CudaParityTests() : ParityTests("cuda", big: true)
{
    [TestCaseSource(nameof(Checks))]
    public void Agrees_with_the_cpu(string check) => Check(check);
}

[TestFixture]
public sealed class CudaTensorCoreTests() : ParityTests("cuda", big: true, DType.BF16)
{
    public static IEnumerable<string> TensorCores =>
        Checks.Where(name => name.StartsWith("rounded", StringComparison.Ordinal) || name.StartsWith("bf16", StringComparison.Ordinal)
            || name.StartsWith("quantized", StringComparison.Ordinal))
        .Concat(ParityChecks.TensorCores.Keys);

    [TestCaseSource(nameof(TensorCores))]
    public void Agrees_with_the_cpu_on_numbers_that_bf16_holds(string check) => Check(check);
}

[TestFixture]
public sealed class CudaAmpereTests() : ParityTests("cuda", big: true, DType.BF16, asAmpere: true)
{
    public static IEnumerable<string> Products =>
        CudaTensorCoreTests.TensorCores.Where(name => (name.Contains("product", StringComparison.Ordinal)
            && !name.StartsWith("skinny", StringComparison.Ordinal)) || name.Contains("summands", StringComparison.Ordinal));

    [TestCaseSource(nameof(Products))]
    public void Agrees_with_the_cpu_without_what_hopper_added(string check) => Check(check);
}
