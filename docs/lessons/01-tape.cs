// # Lesson 1: tensors and a tape
//
//   dotnet run docs/lessons/01-tape.cs
//
// An engine that trains needs two things: arrays with operations, and the gradient of one number, the loss, with respect to every array
// that trains. This lesson builds both in about a hundred lines and refers to nothing of PeftCore.
//
// The gradient comes from reverse-mode differentiation (Linnainmaa 1970). Write ∂x for ∂loss/∂x. While the program computes, each operation
// leaves a note on a *tape*: how to turn the gradient of its output into gradients of its inputs. The chain rule needs only this local
// step. For z = f(x, y):
//
//     ∂x += ∂z · ∂z/∂x        ∂y += ∂z · ∂z/∂y
//
// Backward starts with ∂loss = 1 and reads the tape from its end to its start. The += matters: an array used twice has two terms in its
// gradient, one for each use. The cost is about that of two forward passes, however many parameters there are; difference quotients would
// need one forward pass for each parameter, which is why they serve only as a check (section 2).

// ## 1. A forward pass leaves notes
//
// The exclusive or of two bits is the smallest task that no linear function solves. One hidden layer solves it:
//
//     h = tanh(x·W₁ + b₁)    y = h·W₂ + b₂    loss = mean (y − target)²

var random = new Random(5);
var x = new Matrix(4, 2, [0, 0, 0, 1, 1, 0, 1, 1]);
var target = new Matrix(4, 1, [0, 1, 1, 0]);
Matrix[] parameters = [Matrix.Random(2, 6, random), new(1, 6), Matrix.Random(6, 1, random), new(1, 1)];

double first = Loss(out var tape).Value[0];
Console.WriteLine($"loss before training: {first:0.0000}; notes on the tape: {tape.Count}");
Claim(tape.Count == 6, "six operations leave six notes: product, sum, tanh, product, sum, mean of squares");

// ## 2. Backward, checked by difference quotients
//
// (loss(w + ε) − loss(w − ε))/2ε costs two forward passes for one of the 25 parameters. It is the definition of the derivative, up to an
// error of ε², so it finds a wrong rule at once.

tape.Backward();
double worst = 0;
int count = 0;
foreach (var parameter in parameters)
{
    for (int i = 0; i < parameter.Value.Length; i++, count++)
    {
        const double Epsilon = 1e-5;
        double kept = parameter.Value[i];
        parameter.Value[i] = kept + Epsilon;
        double above = Loss(out _).Value[0];
        parameter.Value[i] = kept - Epsilon;
        double below = Loss(out _).Value[0];
        parameter.Value[i] = kept;
        worst = Math.Max(worst, Math.Abs((above - below) / (2 * Epsilon) - parameter.Gradient[i]));
    }
}
Claim(count == 25 && worst < 1e-8, "all 25 gradients agree with difference quotients to 1e-8");

// ## 3. A use more, a term more
//
// For z = x·x the two inputs are one array: ∂x = ∂z·x + ∂z·x = 2x.

var square = new Tape();
var three = new Matrix(1, 1, [3]);
square.MatMul(three, three).Gradient[0] = 1;
square.Replay();
Claim(three.Gradient[0] == 6, "d(x·x)/dx at 3 is 6: both uses added their term");

// ## 4. Training
//
// Gradient descent: w −= rate·∂w, again and again. Gradients add up, so each step begins with zeros.

for (int step = 0; step < 400; step++)
{
    foreach (var parameter in parameters)
    {
        Array.Clear(parameter.Gradient);
    }
    Loss(out tape);
    tape.Backward();
    foreach (var parameter in parameters)
    {
        for (int i = 0; i < parameter.Value.Length; i++)
        {
            parameter.Value[i] -= 0.3 * parameter.Gradient[i];
        }
    }
}
double last = Loss(out _).Value[0];
Console.WriteLine($"loss after 400 steps: {(last < 1e-4 ? "below 0.0001" : $"{last:0.0000}")}");
Claim(last < 1e-4 && first > 0.1, "the network has learned the exclusive or");

// What is missing from here to an engine: types smaller than a double, kernels that use the processor, and thrift. This tape keeps every
// array until backward has run, and computes gradients of x and the target, which nobody asked for. Lesson 2 is about that.

Matrix Loss(out Tape t)
{
    t = new Tape();
    var h = t.Tanh(t.AddRow(t.MatMul(x, parameters[0]), parameters[1]));
    return t.MeanSquare(t.AddRow(t.MatMul(h, parameters[2]), parameters[3]), target);
}

/// <summary>Rows × columns numbers, and their gradient.</summary>
internal sealed class Matrix(int rows, int columns, double[]? value = null)
{
    public int Rows => rows;

    public int Columns => columns;

    public double[] Value { get; } = value ?? new double[rows * columns];

    public double[] Gradient { get; } = new double[rows * columns];

    public static Matrix Random(int rows, int columns, Random random) =>
        new(rows, columns, [.. Enumerable.Range(0, rows * columns).Select(_ => 2 * random.NextDouble() - 1)]);
}

/// <summary>The operations, each with its note.</summary>
internal sealed class Tape
{
    private readonly List<Action> _notes = [];
    private Matrix? _last;

    public int Count => _notes.Count;

    /// <summary>Sets the gradient of the last result to one and reads the notes.</summary>
    public void Backward()
    {
        _last!.Gradient[0] = 1;
        Replay();
    }

    /// <summary>Reads the notes from the last to the first.</summary>
    public void Replay()
    {
        for (int i = _notes.Count - 1; i >= 0; i--)
        {
            _notes[i]();
        }
    }

    /// <summary>z = x·y;  ∂x += ∂z·yᵀ,  ∂y += xᵀ·∂z</summary>
    public Matrix MatMul(Matrix x, Matrix y)
    {
        var z = new Matrix(x.Rows, y.Columns);
        Each((i, j, k) => z.Value[i * y.Columns + j] += x.Value[i * x.Columns + k] * y.Value[k * y.Columns + j]);
        return Note(z, () => Each((i, j, k) =>
        {
            double d = z.Gradient[i * y.Columns + j];
            (int at, int of) = (i * x.Columns + k, k * y.Columns + j);
            x.Gradient[at] += d * y.Value[of];
            y.Gradient[of] += d * x.Value[at];
        }));

        void Each(Action<int, int, int> body)
        {
            for (int n = 0; n < x.Rows * y.Columns * x.Columns; n++)
            {
                body(n / x.Columns / y.Columns, n / x.Columns % y.Columns, n % x.Columns);
            }
        }
    }

    /// <summary>z = x + row in each row;  ∂x += ∂z,  ∂row += Σ rows of ∂z</summary>
    public Matrix AddRow(Matrix x, Matrix row) => Elements(x, (v, i) => v + row.Value[i % x.Columns], (d, i, _) =>
    {
        row.Gradient[i % x.Columns] += d;
        return d;
    });

    /// <summary>z = tanh x;  ∂x += ∂z·(1 − z²)</summary>
    public Matrix Tanh(Matrix x) => Elements(x, (v, _) => Math.Tanh(v), (d, _, z) => d * (1 - z * z));

    /// <summary>z = mean (x − y)²;  ∂x += ∂z·2·(x − y)/n. The target y gets no gradient.</summary>
    public Matrix MeanSquare(Matrix x, Matrix y)
    {
        double[] errors = [.. x.Value.Zip(y.Value, (a, b) => a - b)];
        var z = new Matrix(1, 1, [errors.Average(e => e * e)]);
        return Note(z, () =>
        {
            for (int i = 0; i < errors.Length; i++)
            {
                x.Gradient[i] += z.Gradient[0] * 2 * errors[i] / errors.Length;
            }
        });
    }

    private Matrix Elements(Matrix x, Func<double, int, double> forward, Func<double, int, double, double> backward)
    {
        var z = new Matrix(x.Rows, x.Columns, [.. x.Value.Select(forward)]);
        return Note(z, () =>
        {
            for (int i = 0; i < z.Value.Length; i++)
            {
                x.Gradient[i] += backward(z.Gradient[i], i, z.Value[i]);
            }
        });
    }

    private Matrix Note(Matrix z, Action note)
    {
        _notes.Add(note);
        return _last = z;
    }
}
