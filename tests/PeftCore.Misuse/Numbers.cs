using PeftCore.Tensors;

namespace PeftCore.Misuse;

/// <summary>Draws numbers, names and shapes: usual ones, edges, and ones that no member takes.</summary>
internal static class Numbers
{
    // Lengths of loops: a large one is a valid request for hours of work.
    private static readonly string[] Loops =
    [
        "step", "epoch", "newtoken", "accumulation", "beam", "sequences", "count", "limit", "patience", "warmup", "length", "bins",
        "repeat", "thread",
    ];

    private static readonly string[] Names =
    [
        "", "default", "a", "b", "style", "q_proj", "v_proj", "weight", "all-linear", "__base__", "base", "lora", "LORA", "IA3",
        "PREFIX_TUNING", "hidden_size", "model_type", "vocab_size", "r", "target_modules", "model.layers.0.self_attn.q_proj",
        "model.embed_tokens.weight", "layers", "(",
        ".*proj", "Hello, world", "user", "assistant", "chatml", "{{ messages[0].content }}", "{% for %}", "\0", "ü🙂", "x", "mlp",
        "lm_head", "no",
    ];

    public static int Int(Random random, string name)
    {
        bool isLoop = Array.Exists(Loops, loop => name.Contains(loop, StringComparison.OrdinalIgnoreCase));
        return random.Next(20) switch
        {
            < 10 => random.Next(5),
            < 13 => random.Next(2) == 0 ? 8 : 16,
            < 15 => -1,
            15 => int.MinValue,
            16 => isLoop ? 3 : int.MaxValue,
            17 => isLoop ? 2 : 65537,
            18 => isLoop ? -7 : 1000,
            _ => isLoop ? 4 : 100_000_000,
        };
    }

    public static double Real(Random random, string name) => name.Contains("epoch", StringComparison.OrdinalIgnoreCase)
        ? random.Next(6) switch { 0 => -1, 1 => double.NaN, 2 => 0.5, 3 => 0, _ => 1 }
        : random.Next(12) switch
        {
            < 3 => 0.5,
            3 => 0,
            4 => 1,
            5 => -1,
            6 => double.NaN,
            7 => double.PositiveInfinity,
            8 => 1e-30,
            9 => 1e30,
            10 => 8,
            _ => 1e-3,
        };

    public static string Name(Random random) => Names[random.Next(Names.Length)];

    public static Shape Shape(Random random)
    {
        Span<int> extents = stackalloc int[random.Next(5)];
        foreach (ref int extent in extents)
        {
            extent = random.Next(12) switch { 0 => 0, 1 => 1, 2 => 16, 3 when random.Next(4) == 0 => 1_000_000, _ => random.Next(2, 5) };
        }
        return PeftCore.Tensors.Shape.Of(extents);
    }

    /// <summary>A value of an enum; sometimes one that it does not define.</summary>
    public static object Enum(Random random, Type type)
    {
        var values = System.Enum.GetValues(type);
        return random.Next(25) == 0 ? System.Enum.ToObject(type, 99) : values.GetValue(random.Next(values.Length))!;
    }
}
