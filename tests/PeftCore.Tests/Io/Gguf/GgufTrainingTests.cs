using System.Buffers.Binary;
using PeftCore.Backends;
using PeftCore.Io.Gguf;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>An adapter trained on a base in blocks of 4 bits.</summary>
public sealed class GgufTrainingTests
{
    private const int Width = 256, Heads = 4;

    [Test]
    public void Training_on_a_base_in_Q4_K_lowers_the_loss()
    {
        using var backend = new CpuBackend(2);
        using var directory = new TemporaryDirectory();
        WriteBase(directory["base.gguf"]);
        var warnings = new List<string>();
        var model = new PeftModel(ModelLoader.Load(directory["base.gguf"], backend, warnings: warnings));
        Assert.That(warnings, Has.Some.Contains("Q4_K").And.Some.Contains("BF16"));
        model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 8, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) }, seed: 5);
        ITrainable trainable = new TrainableAdapter(model);
        var held = Runs.Loader(16, 2, 8, shuffle: false);
        double before = Evaluation.Run(trainable.Model, held.Epoch()).Loss;
        var result = new Trainer(trainable, new TrainerOptions { LearningRate = 0.02, Epochs = 2 }, Runs.Loader(64, 1, 8), held).Run();
        Assert.That(result.EvalLoss, Is.LessThan(0.97 * before));
    }

    /// <summary>A model of one block with random weights, its matrices in Q4_K.</summary>
    private static void WriteBase(string path)
    {
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", "llama");
        metadata.Add("llama.context_length", 64u);
        metadata.Add("llama.embedding_length", Width);
        metadata.Add("llama.feed_forward_length", Width);
        metadata.Add("llama.block_count", 1u);
        metadata.Add("llama.attention.head_count", Heads);
        metadata.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        var tensors = new List<GgufTensorData> { Matrix("token_embd", Runs.Vocabulary, 1) };
        foreach (string name in new[] { "attn_norm", "ffn_norm" })
        {
            tensors.Add(Ones($"blk.0.{name}.weight"));
        }
        foreach (string name in new[] { "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down" })
        {
            tensors.Add(Matrix($"blk.0.{name}", Width, tensors.Count));
        }
        tensors.Add(Ones("output_norm.weight"));
        GgufWriter.Write(path, metadata, tensors);
    }

    private static GgufTensorData Ones(string name) => new(name, GgufType.Named("F32"), [Width],
        stream => GgufEncoding.Write(stream, GgufType.Named("F32"), [.. Enumerable.Repeat(1f, Width)]));

    private static GgufTensorData Matrix(string name, int rows, int seed) => new(name + ".weight", GgufType.Named("Q4_K"), [rows, Width],
        stream =>
        {
            var random = new Random(seed);
            for (int row = 0; row < rows; row++)
            {
                stream.Write(Block([.. Enumerable.Range(0, Width).Select(_ => (float)(random.NextDouble() - 0.5) * 0.1f)]));
            }
        });

    /// <summary>Quantises 256 weights of both signs to Q4_K: d·s is a fifteenth of a group's range, dmin·m its depth.</summary>
    private static byte[] Block(float[] weights)
    {
        byte[] block = new byte[Q4KBlocks.Bytes];
        float[] depth = new float[8], step = new float[8];
        for (int g = 0; g < 8; g++)
        {
            float[] group = weights[(32 * g)..(32 * (g + 1))];
            depth[g] = Math.Max(0, -group.Min());
            step[g] = (group.Max() + depth[g]) / 15;
        }
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)(step.Max() / 63));
        BinaryPrimitives.WriteHalfLittleEndian(block.AsSpan(2), (Half)(depth.Max() / 63));
        float d = (float)BinaryPrimitives.ReadHalfLittleEndian(block), dmin = (float)BinaryPrimitives.ReadHalfLittleEndian(block.AsSpan(2));
        for (int g = 0; g < 8; g++)
        {
            int s = (int)Math.Clamp(MathF.Round(step[g] / d), 1, 63), m = (int)Math.Clamp(MathF.Round(depth[g] / dmin), 0, 63);
            block[4 + g % 4 + (g < 4 ? 0 : 8)] |= (byte)(g < 4 ? s : (s & 15) | (m & 15) << 4);
            block[4 + g % 4 + (g < 4 ? 4 : 0)] |= (byte)(g < 4 ? m : (s >> 4) << 6);
            block[4 + g % 4 + 4] |= (byte)(g < 4 ? 0 : (m >> 4) << 6);
            for (int i = 0; i < 32; i++)
            {
                int q = (int)Math.Clamp(MathF.Round((weights[32 * g + i] + dmin * m) / (d * s)), 0, 15);
                block[16 + g / 2 * 32 + i] |= (byte)(q << (g % 2 * 4));
            }
        }
        float[] back = new float[256];
        BlockQuantized.Dequantize<Q4KBlocks>(block, back);
        Assert.That(back.Zip(weights).Max(pair => Math.Abs(pair.First - pair.Second)), Is.LessThan(0.01), "the test's own quantiser");
        return block;
    }
}
