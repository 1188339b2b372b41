using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests;

/// <summary>Tests that compute on one thread of the CPU: a backend whose new tensors hold NaN until they are written, and a scope, for each
/// test.</summary>
public abstract class CpuTests
{
    private TensorScope _scope = null!;

    private protected CpuBackend Cpu { get; private set; } = null!;

    [SetUp]
    public void Open() => (Cpu, _scope) = (new CpuBackend(1, poison: true), new TensorScope());

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        Cpu.Dispose();
    }
}
