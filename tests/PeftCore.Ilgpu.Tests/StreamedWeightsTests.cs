using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Weights that are streamed from host memory, and checkpoints that are kept there, give the bits of a run that keeps all on the
/// device, and take what is planned.</summary>
public abstract class StreamedWeightsTests(string device)
{
    private const int Layers = 5;

    private static readonly DecoderSpec Small = new()
    {
        ModelType = "llama", VocabularySize = 24, HiddenSize = 16, IntermediateSize = 32, Layers = Layers, Heads = 2, KeyHeads = 1,
        HeadDim = 8, MaxLength = 16, Rope = new RopeSpec(10000, new DefaultRope(), 8),
    };

    [TestCase(DType.F32, 5, true, false, false, 1)]
    [TestCase(DType.F32, 3, false, true, false, 1)]
    [TestCase(DType.BF16, 4, true, true, false, 2)]
    [TestCase(DType.BF16, 5, false, true, true, 1)]
    [TestCase(DType.F32, 0, true, true, true, 2)]
    public void A_run_gives_the_same_bits(DType dtype, int offloaded, bool captureGraphs, bool checkpointing, bool offloadCheckpoints,
        int accumulation)
    {
        var setup = new Setup(Small, dtype, captureGraphs, checkpointing, offloadCheckpoints, accumulation, Batch: 1, Length: 6);
        Compare(setup, offloaded, steps: 5);
    }

    [TestCase(DType.F32, QuantizationOptions.NF4, true)]
    [TestCase(DType.BF16, QuantizationOptions.NF4, false)]
    [TestCase(DType.BF16, QuantizationOptions.EightBit, true)]
    public void Quantised_weights_stream_as_well(DType dtype, string type, bool captureGraphs)
    {
        var setup = new Setup(Small, dtype, captureGraphs, Checkpointing: true, false, 1, Batch: 1, Length: 6)
        {
            Quantization = new QuantizationOptions { Type = type },
        };
        Compare(setup, offloaded: 4, steps: 4);
    }

    [Test]
    public void Generation_streams_too()
    {
        var setup = new Setup(Small, DType.F32, false, false, false, 1, Batch: 1, Length: 6);
        var placement = setup.Placement(4);
        float[] Logits(OffloadPlacement? placed)
        {
            using var scope = new TensorScope();
            var backend = SharedDevices.Open(device, DType.F32);
            backend.Offload = placed;
            using var model = setup.Base(backend);
            backend.Offload = null;
            float[][] logits = new float[2][];
            for (int i = 0; i < 2; i++)
            {
                var batch = MemoryPlan.FullBatch(model, 1, 6);
                logits[i] = model.Logits(batch.ToInputs(model)).ToFloats();
            }
            Assert.That(logits[1], Is.EqualTo(logits[0]));
            return logits[0];
        }
        Assert.That(Logits(placement), Is.EqualTo(Logits(null)));
    }

    private protected void Compare(Setup setup, int offloaded, int steps)
    {
        var plan = setup.Placement(offloaded);
        var (expected, _, _) = Train(setup with { OffloadCheckpoints = false }, null, steps);
        var (values, streamed, leftHostBytes) = Train(setup, plan, steps);
        long block = plan.Blocks[0].Bytes;
        long weights = offloaded == 0 ? 0 : 2L * (offloaded - 2) * block * setup.Accumulation;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That(streamed, setup.OffloadCheckpoints ? Is.GreaterThan(weights) : Is.EqualTo(weights));
            Assert.That(leftHostBytes, Is.Zero);
        }
    }

    private (List<double> Values, long Streamed, long LeftHostBytes) Train(Setup setup, OffloadPlacement? placement, int steps)
    {
        var backend = SharedDevices.Open(device, setup.DType);
        using var scope = new TensorScope();
        backend.Offload = placement;
        var model = setup.Base(backend);
        backend.Offload = null;
        model.GradientCheckpointing = setup.Checkpointing;
        model.OffloadCheckpoints = setup.OffloadCheckpoints;
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching("all-linear") }, seed: 5);
        ITrainable trainable = new TrainableAdapter(peft);
        using var optimizer = new AdamW(trainable.Parameters);
        ITrainingStep eager = new TrainingStep(trainable, optimizer, 1);
        using var step = setup.CaptureGraphs ? CapturedStep.Wrap(eager) : eager;
        var values = new List<double>();
        long streamed = 0;
        for (int i = 0; i < steps; i++)
        {
            var batches = Enumerable.Range(0, setup.Accumulation)
                .Select(j => MemoryPlan.FullBatch(model, setup.Batch, setup.Length, (ulong)(10 * i + j))).ToList();
            long before = backend.UploadedBytes;
            var result = step.Run(batches, 1e-2, i, (ulong)(i * setup.Accumulation));
            streamed = backend.UploadedBytes - before;
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        values.AddRange(peft.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        if (step is CapturedStep captured)
        {
            Assert.That(captured.GraphLaunches, setup.OffloadCheckpoints ? Is.Zero : Is.GreaterThan(0));
        }
        step.Dispose();
        peft.Unload();
        model.Dispose();
        return (values, streamed, backend.HostMemory!.CurrentBytes);
    }

    private protected sealed record Setup(DecoderSpec Spec, DType DType, bool CaptureGraphs, bool Checkpointing, bool OffloadCheckpoints,
        int Accumulation, int Batch, int Length)
    {
        public QuantizationOptions? Quantization { get; init; }

        public Decoder Base(Backend backend)
        {
            var model = new Decoder(Spec);
            ModelLoader.Initialize(model, backend, DType, 3, Quantization);
            return model;
        }

        public OffloadPlacement Placement(int offloaded)
        {
            using var meta = new MetaBackend(DType);
            using var scope = new TensorScope();
            using var model = Base(meta);
            return OffloadedBlocks.Of(model, OffloadPlace.Host).With(offloaded);
        }
    }
}

[TestFixture]
public sealed class IlgpuCpuStreamedWeightsTests() : StreamedWeightsTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaStreamedWeightsTests() : StreamedWeightsTests("cuda")
{
    /// <summary>Blocks that are large enough for copies and kernels to run at the same time, so that a missing wait changes bits.</summary>
    [TestCase(true, false, false)]
    [TestCase(false, false, false)]
    [TestCase(true, true, false)]
    [TestCase(false, true, true)]
    public void Copies_beside_kernels_change_no_bit(bool captureGraphs, bool checkpointing, bool offloadCheckpoints)
    {
        var spec = new DecoderSpec
        {
            ModelType = "llama", VocabularySize = 1024, HiddenSize = 2048, IntermediateSize = 5632, Layers = 8, Heads = 16, KeyHeads = 4,
            HeadDim = 128, MaxLength = 512, Rope = new RopeSpec(10000, new DefaultRope(), 128),
        };
        foreach (int length in (int[])[32, 512])
        {
            Compare(new Setup(spec, DType.BF16, captureGraphs, checkpointing, offloadCheckpoints, 2, Batch: 2, Length: length),
                offloaded: 6, steps: 6);
        }
    }

    [Test]
    public void The_link_has_a_rate() =>
        Assert.That(SharedDevices.Open("cuda", DType.BF16).MeasureUploadRate(), Is.GreaterThan(1e8));
}
