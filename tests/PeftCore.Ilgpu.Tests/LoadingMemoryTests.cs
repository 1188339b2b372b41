using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

public sealed class LoadingMemoryTests
{
    /// <summary>Tables of 2.2 million weights: more than a piece.</summary>
    private const string Config = """
        {"model_type":"llama","vocab_size":70000,"hidden_size":32,"intermediate_size":64,"num_hidden_layers":1,"num_attention_heads":2,
         "max_position_embeddings":64,"hidden_act":"silu","tie_word_embeddings":true}
        """;

    [Test]
    public void Random_weights_take_what_is_planned_and_are_those_of_the_processor()
    {
        using var device = IlgpuDevices.Open("ilgpu-cpu");
        using var cpu = new CpuBackend(1);
        using var meta = new MetaBackend();
        var (onDevice, onCpu) = (Random(device), Random(cpu));
        Random(meta);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((device.Memory.PeakBytes, device.PeakReservedBytes), Is.EqualTo((meta.Memory.PeakBytes, meta.PeakReservedBytes)));
            foreach (var ((path, a), (_, b)) in onDevice.NamedParameters().Zip(onCpu.NamedParameters()))
            {
                Assert.That(a.Value.ToBytes().AsSpan().SequenceEqual(b.Value.ToBytes()), path);
            }
        }
        onDevice.Dispose();
        onCpu.Dispose();
    }

    [Test]
    public void A_fill_of_several_chunks_is_the_processor_s()
    {
        using var device = IlgpuDevices.Open("ilgpu-cpu");
        using var cpu = new CpuBackend(1);
        Assert.That(Draw(device).AsSpan().SequenceEqual(Draw(cpu)));

        static float[] Draw(Backend backend)
        {
            using var values = backend.NewTensor([ChunkedTransfer.Elements + 100]);
            backend.FillNormal(values, 1, 2, 3, 4, first: 8);
            return values.ToArray<float>();
        }
    }

    private static TransformerModel Random(Backend backend)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(Config, "config.json"));
        ModelLoader.Initialize(model, backend, DType.BF16, seed: 5);
        return model;
    }
}
