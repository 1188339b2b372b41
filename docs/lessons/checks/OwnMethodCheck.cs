using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Lessons;

/// <summary>Exercise 15: a method that scales the input of a layer.</summary>
public static class OwnMethodCheck
{
    private static int _registered;

    /// <summary>Registers the method and asks it the questions of the lesson.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="fields">The rows of the configuration.</param>
    /// <param name="config">The method on every linear layer.</param>
    /// <typeparam name="TConfig">The configuration.</typeparam>
    public static int Run<TConfig>(string[] args, ConfigFields<TConfig> fields, TConfig config) where TConfig
        : PeftConfig => Check.Run(args,
        "15-own-method", "it starts at the base, learns, computes (x∘(1 + s))·Wᵀ, and merges", () =>
        {
            PeftMethods.Register($"INPUT_SCALE_{Interlocked.Increment(ref _registered)}", fields);
            using var backend = new CpuBackend();
            using var scope = new TensorScope();
            using var model = ModelLoader.Load(Lesson.BaseModel, backend, DType.F32);
            var peft = new PeftModel(model);
            int[] ids = [.. Enumerable.Range(100, 24)];
            float[] atBase = Logits();
            peft.AddAdapter(config);
            Check.Equal("with s = 0, the logits", Logits(), atBase, 0, "; a new adapter should change nothing");
            var layer = (Nn.Linear)model.Find("model.layers.0.mlp.down_proj")!;
            var s = peft.Parameters.FirstOrDefault(p => p.Name.Contains("layers.0.mlp.down_proj", StringComparison.Ordinal)).Parameter;
            Check.That(s is { } && s.Shape.Count == layer.Inputs,
                $"down_proj should have one parameter of {layer.Inputs} numbers, one for each input");
            var loader = new DataLoader([new Example(ids, ids)], new LoaderOptions { BatchSize = 1, PadId = 0 });
            double before = Evaluation.Run(model, loader.Epoch()).Loss;
            new Trainer(peft, new TrainerOptions { LearningRate = 2e-2, MaxSteps = 6 }, loader).Run();
            double after = Evaluation.Run(model, loader.Epoch()).Loss;
            Check.That(after < before, $"the loss does not fall: {before:0.00} before training, {after:0.00} after");
            var x = LoraCheck.New(backend, 1, 4, layer.Inputs);
            float[] factors = s!.Value.ToFloats(),
                scaled = [.. x.ToFloats().Select((value, i) => value * (1 + factors[i % factors.Length]))];
            float[] y = Tape.NoGrad(() => layer.Forward(x).ToFloats()),
                expected = Ops.LinearOp.Linear(backend.From(scaled, x.Shape), layer.Weight.Value).ToFloats();
            Check.Equal("y of a layer", y, expected, 1e-4, "; it should be (x∘(1 + s))·Wᵀ");
            float[] adapted = Logits();
            peft.Merge();
            Check.Equal("after a merge, the logits", Logits(), adapted, 1e-2);

            float[] Logits()
            {
                using var inner = new TensorScope();
                return model.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
            }
        });
}
