using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Encoders;

/// <summary>In training, the last block of a classifier of first tokens computes no other token.</summary>
public sealed class FirstTokenTests
{
    private const int Rows = 2, Length = 7;

    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

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

    [Test]
    public void Loss_and_gradients_are_those_of_all_tokens(
        [Values("bert", "roberta", "distilbert", "electra", "albert", "deberta-v2")] string type,
        [Values(null, "ends", "between")] string? padding, [Values] bool checkpointing)
    {
        // Families whose heads have dropout by default.
        string further = type switch
        {
            "albert" => ", \"classifier_dropout_prob\": 0",
            "distilbert" => ", \"seq_classif_dropout\": 0",
            _ => "",
        };
        var model = TinyEncoders.Model(_backend, type, TinyEncoders.Task(ModelTask.SequenceClassification), further);
        model.SetRequiresGrad(true);
        model.GradientCheckpointing = checkpointing;
        int[]? mask = padding switch
        {
            "ends" => [1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1],
            "between" => [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
            _ => null,
        };
        float[] all = LossAndGradients(model, mask, training: false), first = LossAndGradients(model, mask, training: true);
        float largest = all.Max(MathF.Abs);
        Assert.That(first, Is.EqualTo(all).Within(1e-5f * largest));
    }

    [Test]
    public void Adapters_get_the_same_gradients()
    {
        var model = TinyEncoders.Model(_backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification));
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 2, Alpha = 4, Init = LoraInit.Random }, seed: 3);
        float[] all = LossAndGradients(model, null, training: false), first = LossAndGradients(model, null, training: true);
        Assert.That(first, Is.EqualTo(all).Within(1e-5f * all.Max(MathF.Abs)));
    }

    [Test]
    public void Fewer_bytes_are_taken()
    {
        var model = TinyEncoders.Model(_backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification));
        model.SetRequiresGrad(true);
        long all = PeakOf(training: false), first = PeakOf(training: true);
        Assert.That(first, Is.LessThan(all));

        long PeakOf(bool training)
        {
            LossAndGradients(model, null, training);
            _backend.Memory.ResetPeak();
            LossAndGradients(model, null, training);
            return _backend.Memory.PeakBytes;
        }
    }

    private float[] LossAndGradients(TransformerModel model, int[]? mask, bool training)
    {
        model.Mode.Training = training;
        using var scope = new TensorScope();
        using var tape = new Tape();
        var inputs = model.ToInputs(new InputArrays { Ids = TinyEncoders.Ids(Rows, Length), BatchSize = Rows, Mask = mask });
        var loss = model.Loss(inputs, model.ToTargets([1, 0], Rows));
        tape.Backward(loss);
        float[] numbers = [loss.Item(), .. model.NamedParameters().SelectMany(p => p.Parameter.Gradient?.ToFloats() ?? [])];
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameter.Value.FreeGradient();
        }
        return numbers;
    }
}
