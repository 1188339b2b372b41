using BenchmarkDotNet.Attributes;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Bench;

/// <summary>A whole training step: forward, backward, clipping, AdamW. The peer is bench/peers/step_hf.py; `peftcore bench step` accepts
/// any shape.</summary>
public class StepBenchmark
{
    private Bench? _bench;
    private PeftModel? _model;
    private AdamW? _optimizer;
    private ITrainingStep? _step;
    private Batch? _batch;
    private int _number;

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    [Params(false, true)]
    public bool Checkpointing { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var bench = _bench = Bench.Open(Device);
        var model = new Decoder(Shapes.BaseLlama);
        ModelLoader.Initialize(model, bench.Backend, DType.BF16);
        model.GradientCheckpointing = Checkpointing;
        _model = new PeftModel(model);
        _model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching("all-linear") });
        ITrainable trainable = new TrainableAdapter(_model);
        _optimizer = new AdamW(trainable.Parameters);
        _step = new TrainerOptions { MaxGradNorm = 1 }.NewStep(trainable, _optimizer);
        _batch = MemoryPlan.FullBatch(model, 8, 128);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _step?.Dispose();
        _optimizer?.Dispose();
        _model?.Unload();
        _model?.Base.Dispose();
        _bench?.Dispose();
    }

    [Benchmark]
    public double Step() => _step!.Run([_batch!], 1e-4, _number++).Loss;
}
