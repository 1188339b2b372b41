using PeftCore.Backends;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Every backend method against the CPU's, on one device.</summary>
public abstract class ParityTests(string device, bool big)
{
    private CpuBackend _cpu = null!;
    private IBackend? _device;

    public static IEnumerable<string> Checks => ParityChecks.All.Keys;

    [OneTimeSetUp]
    public void OpenDevices()
    {
        _cpu = new CpuBackend(poison: true);
        try
        {
            _device = IlgpuDevices.Open(device, new IlgpuOptions(Poison: true));
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

    [TestCaseSource(nameof(Checks))]
    public void Agrees_with_the_cpu(string check) =>
        Assert.That(() => ParityChecks.All[check](new ParityBench(_cpu, _device!, big)), Throws.Nothing);
}

[TestFixture]
public sealed class IlgpuCpuParityTests() : ParityTests("ilgpu-cpu", big: false);

[TestFixture]
public sealed class CudaParityTests() : ParityTests("cuda", big: true);
