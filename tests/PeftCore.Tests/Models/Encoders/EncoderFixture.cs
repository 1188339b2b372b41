using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Encoders;

/// <summary>A device for tiny encoders.</summary>
public abstract class EncoderFixture
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    private protected CpuBackend Backend => _backend;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    private protected static ModelInputs Inputs(TransformerModel model, int[] ids, int[]? mask, int batch) =>
        model.ToInputs(new InputArrays { Ids = ids, BatchSize = batch, Mask = mask });
}
