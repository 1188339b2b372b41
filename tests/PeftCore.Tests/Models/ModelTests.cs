using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>Loads edited copies of the reference models and computes the loss of their reference inputs.</summary>
public abstract class ModelTests
{
    private TensorScope _scope = null!;

    protected CpuBackend Backend { get; private set; } = null!;

    protected List<string> Warnings { get; } = [];

    [SetUp]
    public void Open()
    {
        Warnings.Clear();
        Backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        Backend.Dispose();
    }

    private protected TransformerModel Load(EditedModel files, int shards = 1) =>
        ModelLoader.Load(files.Write(shards).FullPath, Backend, warnings: Warnings);

    private protected float LossOf(TransformerModel model, string family)
    {
        using var expected = WeightSource.OpenFile(TestFiles.Fixture("hf", family, "base", "expected.safetensors"));
        int batch = (int)expected.Get("in.input_ids").Shape[0];
        var inputs = ModelInputs.From(Backend, Fixtures.Ints(expected, "in.input_ids"), batch,
            Fixtures.Ints(expected, "in.attention_mask"));
        return model.Loss(inputs, Targets.FromLabels(Backend, Fixtures.Ints(expected, "in.labels"), batch)).Item();
    }

    private protected static float ExpectedLoss(string family)
    {
        using var expected = WeightSource.OpenFile(TestFiles.Fixture("hf", family, "base", "expected.safetensors"));
        return Fixtures.Floats(expected, "loss")[0];
    }
}
