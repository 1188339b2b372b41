using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

public sealed class LoadingMemoryTests
{
    /// <summary>The workspace of a conversion.</summary>
    private const long Piece = 16L << 20;

    /// <summary>A table of 64 MiB in BF16, of 128 MiB in F32, and one more for the head.</summary>
    private static readonly string Tables = SparseModel.Config("qwen3", vocabulary: 1 << 19, hidden: 64);

    [Test]
    public void Loading_takes_the_weights_and_at_most_a_piece([Values("as stored", "F32", "F16")] string dtype, [Values(1, 3)] int shards)
    {
        using var files = new SparseModel(Tables, shards);
        Measure(files, dtype switch { "F32" => DType.F32, "F16" => DType.F16, _ => null });
    }

    [Test]
    public void Random_weights_are_drawn_in_pieces_and_are_those_of_a_whole_draw()
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(SparseModel.Config("qwen3", 1 << 17, 64), "config.json"));
        using var cpu = new CpuBackend(2);
        ModelLoader.Initialize(model, cpu, DType.BF16, seed: 3);
        long weights = WeightsOf(model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(cpu.Memory.CurrentBytes, Is.EqualTo(weights));
            Assert.That(cpu.Memory.PeakBytes, Is.LessThanOrEqualTo(weights + Piece));
        }
        var table = model.NamedParameters().First().Parameter.Value;
        Assert.That(table.Count, Is.GreaterThan(2 * PieceReader.Elements));
        using var scope = new TensorScope();
        var (whole, rounded) = (cpu.NewTensor(table.Shape), cpu.NewTensor(table.Shape, DType.BF16));
        cpu.FillNormal(whole, 0, 0.02f, 3, 0);
        cpu.Cast(whole, rounded);
        Assert.That(rounded.HasSameBytes(table));
    }

    [Test]
    public void What_only_loading_needs_is_returned_to_the_system()
    {
        using var files = new SparseModel(SparseModel.Config("llama", 1 << 17, 64));
        using var cpu = new CpuBackend(2);
        using var staging = cpu.NewTensor([(int)Arena.DefaultChunk / 4]);
        staging.Dispose();
        using var model = ModelLoader.Load(files.FullPath, cpu);
        Assert.That(cpu.ReservedBytes, Is.LessThanOrEqualTo(WeightsOf(model) + Arena.DefaultChunk));
    }

    /// <summary>The sizes of Qwen3-8B: two tables of 151936 × 4096 and one of its layers, 2.9 GB in BF16.</summary>
    [Test, Explicit("takes 3 GB of memory, 6 GB in F32")]
    public void Large_tables_load_with_the_planned_peak([Values("as stored", "F32")] string dtype)
    {
        using var files = new SparseModel("""
            {"model_type":"qwen3","vocab_size":151936,"hidden_size":4096,"num_hidden_layers":1,"intermediate_size":12288,
             "num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"max_position_embeddings":40960,"hidden_act":"silu",
             "rms_norm_eps":1e-6,"rope_theta":1000000,"tie_word_embeddings":false}
            """);
        Measure(files, dtype == "F32" ? DType.F32 : null);
    }

    /// <summary>Five shards of a Llama: 16 layers make 8 GB, 34 make 16 GB.</summary>
    [TestCase(16, Explicit = true, Reason = "takes 8 GB of memory")]
    [TestCase(34, Explicit = true, Reason = "takes 16 GB of memory")]
    public void Five_shards_load_with_the_planned_peak(int layers)
    {
        using var files = new SparseModel(SparseModel.Config("llama", 128256, 4096, layers, intermediate: 14336), shards: 5);
        Measure(files, null);
    }

    private static void Measure(SparseModel files, DType? dtype)
    {
        using var meta = new MetaBackend();
        ModelLoader.Load(files.FullPath, meta, dtype).Dispose();
        using var cpu = new CpuBackend();
        using var model = ModelLoader.Load(files.FullPath, cpu, dtype);
        long weights = WeightsOf(model);
        TestContext.Out.WriteLine($"{files.Bytes} bytes of files; weights {weights}, peak {cpu.Memory.PeakBytes}, planned " +
            $"{meta.Memory.PeakBytes}, reserved {cpu.PeakReservedBytes}, planned {meta.PeakReservedBytes}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(cpu.Memory.CurrentBytes, Is.EqualTo(weights));
            Assert.That(cpu.Memory.PeakBytes, Is.LessThanOrEqualTo(weights + Piece));
            Assert.That(meta.Memory.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes));
            Assert.That(meta.PeakReservedBytes, Is.EqualTo(cpu.PeakReservedBytes));
        }
    }

    private static long WeightsOf(TransformerModel model) =>
        model.NamedParameters().Sum(p => Arena.Round(p.Parameter.Value.ByteCount));
}
