using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

public sealed class ModelLoadingTests : ModelTests
{
    [Test]
    public void Half_precision_weights_keep_their_dtype_and_bytes_and_compute(
        [Values("llama", "qwen2", "qwen3", "gpt2")] string family, [Values(DType.BF16, DType.F16)] DType dtype)
    {
        using var files = new EditedModel(family);
        var stored = files.Narrow(dtype);
        var model = ModelLoader.Load(files.Write().FullPath, Backend);
        foreach (var (path, parameter) in model.NamedParameters())
        {
            Assert.That(parameter.Value.DType, Is.EqualTo(dtype), path);
            Assert.That(parameter.Value.ToBytes(), Is.EqualTo(stored[path]), path);
        }
        Assert.That(Backend.Memory.CurrentBytes, Is.EqualTo(model.NamedParameters().Sum(p => Arena.Round(2 * p.Parameter.Shape.Count))));
        Assert.That(LossOf(model, family), Is.EqualTo(ExpectedLoss(family)).Within(dtype == DType.BF16 ? 2e-2 : 2e-3));
    }

    [Test]
    public void Weights_are_converted_when_asked([Values] bool half)
    {
        using var files = new EditedModel("llama");
        var stored = files.Narrow(DType.BF16);
        var model = ModelLoader.Load(files.Write().FullPath, Backend, half ? DType.F16 : DType.F32);
        var norm = model.Find("model.norm")!.OwnParameter("weight")!.Value;
        Assert.That(norm.DType, Is.EqualTo(half ? DType.F16 : DType.F32));
        float[] expected = [.. stored["model.norm.weight"].Chunk(2)
            .Select(bytes => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes) << 16))];
        float[] found = half ? Array.ConvertAll(norm.ToArray<Half>(), value => (float)value) : norm.ToArray<float>();
        Assert.That(found, Is.EqualTo(expected).Within(half ? 1e-3f : 0));
        Assert.That(Backend.Memory.CurrentBytes, Is.EqualTo(model.NamedParameters().Sum(p => Arena.Round(p.Parameter.Value.ByteCount))),
            "nothing else is left");
    }

    [Test]
    public void Half_precision_weights_widen_once_when_they_train()
    {
        using var files = new EditedModel("qwen2");
        files.Narrow(DType.BF16);
        var model = ModelLoader.Load(files.Write().FullPath, Backend);
        model.SetRequiresGrad(true);
        Assert.That(model.NamedParameters().Select(p => p.Parameter.Value.DType), Is.All.EqualTo(DType.F32));
        Assert.That(Backend.Memory.Current(MemoryKind.Frozen), Is.Zero);
        Assert.That(Backend.Memory.Current(MemoryKind.Trainable),
            Is.EqualTo(model.NamedParameters().Sum(p => Arena.Round(4 * p.Parameter.Shape.Count))));
        using var tape = new Tape();
        Assert.That(() => LossOf(model, "qwen2"), Throws.Nothing);
        model.SetRequiresGrad(false);
        Assert.That(Backend.Memory.Current(MemoryKind.Trainable), Is.Zero);
    }

    [Test]
    public void Shards_are_the_single_file([Values(2, 5)] int shards)
    {
        using var files = new EditedModel("llama");
        var sharded = ModelLoader.Load(files.Write(shards).FullPath, Backend);
        var single = ModelLoader.Load(TestFiles.Fixture("hf", "llama", "base"), Backend);
        foreach (var ((path, a), (_, b)) in sharded.NamedParameters().Zip(single.NamedParameters()))
        {
            Assert.That(a.Value.ToBytes(), Is.EqualTo(b.Value.ToBytes()), path);
        }
    }

    [Test]
    public void Tied_embeddings_are_one_parameter_that_gathers_both_gradients([Values("qwen2", "gpt2")] string family)
    {
        var model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), Backend);
        Assert.That(model.OutputLayer!.Weight, Is.SameAs(model.TokenEmbedding.Weight));
        Assert.That(model.NamedParameters().Count(p => p.Parameter == model.OutputLayer!.Weight), Is.EqualTo(1));
        Assert.That(model.NamedParameters().Select(p => p.Path), Has.None.EqualTo("lm_head.weight"));
    }

    [Test]
    public void Names_may_lack_the_prefix_of_the_bare_model_and_buffers_are_passed_over([Values("llama", "gpt2")] string family)
    {
        using var files = new EditedModel(family);
        string prefix = family == "llama" ? "model." : "transformer.";
        foreach (var (name, tensor) in files.Tensors.Where(p => p.Key.StartsWith(prefix, StringComparison.Ordinal)).ToArray())
        {
            files.Tensors.Remove(name);
            using var stream = new MemoryStream();
            tensor.WriteTo(stream);
            files.Tensors.Add(name[prefix.Length..], new SafetensorsTensor(name[prefix.Length..], tensor.DType, tensor.Shape,
                stream.ToArray()));
        }
        files.Put(family == "llama" ? "layers.0.self_attn.rotary_emb.inv_freq" : "h.0.attn.bias", "F32", 4);
        Assert.That(LossOf(ModelLoader.Load(files.Write().FullPath, Backend), family), Is.EqualTo(ExpectedLoss(family)).Within(1e-5));
    }

    [Test]
    public void An_unknown_architecture_is_named_with_those_that_are_known()
    {
        using var files = new EditedModel("llama");
        files.Config["model_type"] = "mamba";
        Assert.That(() => ModelLoader.Load(files.Write().FullPath, Backend), Throws.TypeOf<BadInputException>().With.Message.StartsWith(
            $"{Path.Combine(files.FullPath, "config.json")}: field \"model_type\" is \"mamba\", which is not supported; supported are " +
            "llama, "));
    }

    [Test]
    public void Missing_tensors_are_counted_and_the_first_is_named()
    {
        using var files = new EditedModel("llama");
        files.Tensors.Remove("model.layers.1.mlp.up_proj.weight");
        files.Tensors.Remove("model.norm.weight");
        Refused(files, $"{files.WeightsPath}: 2 of the model's tensors are missing, such as \"model.layers.1.mlp.up_proj.weight\"; " +
            "the file belongs to another model or is incomplete.");
    }

    [Test]
    public void Unknown_tensors_are_counted_and_the_first_is_named()
    {
        using var files = new EditedModel("llama");
        files.Put("model.layers.2.mlp.up_proj.weight", "F32", 56, 32);
        files.Put("score.weight", "F32", 2, 32);
        Refused(files, $"{files.WeightsPath}: 2 tensors belong to no part of a llama model, such as " +
            "\"model.layers.2.mlp.up_proj.weight\"; " +
            "the file has 3 blocks, but the configuration says 2.");
    }

    [Test]
    public void A_tensor_of_the_wrong_shape_is_named_with_both_shapes()
    {
        using var files = new EditedModel("llama");
        files.Put("model.layers.0.self_attn.k_proj.weight", "F32", 32, 32);
        Refused(files, $"{files.WeightsPath}: tensor \"model.layers.0.self_attn.k_proj.weight\" has shape (32, 32), but the " +
            "configuration makes it (16, 32).");
    }

    [Test]
    public void A_tensor_that_holds_no_weights_is_refused()
    {
        using var files = new EditedModel("llama");
        files.Put("model.norm.weight", "I64", 32);
        Refused(files, $"{files.WeightsPath}: tensor \"model.norm.weight\" has dtype I64; weights may be F32, BF16 or F16.");
    }

    private void Refused(EditedModel files, string message)
    {
        Assert.That(() => ModelLoader.Load(files.Write().FullPath, Backend),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo(message));
        Assert.That(Backend.Memory.CurrentBytes, Is.Zero, "what was loaded before the error is freed");
    }
}
