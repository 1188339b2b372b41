using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>Adapters of Hugging Face PEFT with tensors that have no use here, or had one in older versions only.</summary>
public sealed class ForeignParameterTests
{
    [Test]
    public void Tensors_of_a_module_that_nothing_depends_on_are_left_out_with_a_warning()
    {
        using var backend = new CpuBackend(1);
        var warnings = new List<string>();
        var model = Base("layoutlm", backend);
        model.Load(TestFiles.Fixture("hf", "layoutlm", "ia3"), warnings: warnings);
        Assert.That(warnings, Has.One.Contains("left out 1 of 15 tensors, such as \"base_model.model.layoutlm.pooler.dense.ia3_l\""));
        model.Base.Dispose();
    }

    [Test]
    public void Biases_of_experts_are_read_from_older_files_and_not_trained_anew([Values] bool inFile)
    {
        const string Old = "base_model.model.model.layers.0.mlp.experts.gate_up_proj_bias";
        using var backend = new CpuBackend(1);
        var model = Base("gpt_oss", backend);
        var own = model.Base.NamedParameters().First(p => Old.EndsWith(p.Path, StringComparison.Ordinal)).Parameter.Shape;
        long[] shape = [.. Enumerable.Range(0, own.Rank).Select(axis => (long)own[axis])];
        byte[] zeros = new byte[4 * own.Count];
        using var folder = new AdapterFolder("gpt_oss", "oft_bias").WithWeights(AdapterFolder.Same,
            inFile ? [new SafetensorsTensor(Old, "F32", shape, zeros)] : []);
        model.Load(folder.Path, trainable: true);
        string[] experts = [.. model.Parameters.Select(p => p.Name).Where(name => name.Contains("experts", StringComparison.Ordinal))];
        Assert.That(experts, inFile ? Is.EqualTo(new[] { Old }) : Is.Empty);
        model.Base.Dispose();
    }

    private static PeftModel Base(string family, CpuBackend backend) =>
        new(ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), backend));
}
