using System.Collections;
using System.Linq.Expressions;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Tensors;

namespace PeftCore.Misuse;

/// <summary>Draws arguments of any type of the public surface: objects of the world, alive or disposed, new options, or null.</summary>
internal sealed class Values(World world, Random random, Action<Values> reenter)
{
    private const int MostDepth = 3;

    private static readonly MethodInfo AnswerMethod =
        typeof(Values).GetMethod(nameof(Answer), BindingFlags.NonPublic | BindingFlags.Instance)!;

    public object?[] Arguments(EntryPoint entry) => [.. entry.Parameters.Select(p => Draw(Bare(p), p.Name ?? "", 0))];

    /// <summary>An object of the world that an entry point can be called on, or a new one; null if there is none.</summary>
    public object? Receiver(Type type) => world.Any(type, random) ?? (type.IsAbstract ? null : Create(type, 0));

    public object? Draw(Type type, string name, int depth)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return random.Next(3) == 0 ? null : Draw(inner, name, depth);
        }
        if (Invoker.IsSpan(type))
        {
            return Many(type.GetGenericArguments()[0], name, depth);
        }
        if (type.IsValueType || type == typeof(string))
        {
            return Simple(type, name, depth);
        }
        if (random.Next(16) == 0)
        {
            return null;
        }
        if (random.Next(4) > 0 && world.Any(type, random) is { } found)
        {
            return found;
        }
        return typeof(Delegate).IsAssignableFrom(type) ? Function(type) : Collection(type, name, depth) ?? Json(type)
            ?? (depth < MostDepth && !type.IsAbstract && !type.IsInterface ? Create(type, depth) : null) ?? world.Any(type, random);
    }

    private object? Simple(Type type, string name, int depth)
    {
        if (type.IsEnum)
        {
            return Numbers.Enum(random, type);
        }
        return type == typeof(string) ? world.Text(name, random)
            : type == typeof(int) ? Numbers.Int(random, name)
            : type == typeof(long) ? random.Next(4) == 0 ? long.MaxValue : (long)Numbers.Int(random, name)
            : type == typeof(ulong) ? (ulong)random.Next(5)
            : type == typeof(byte) ? (byte)random.Next(256)
            : type == typeof(bool) ? random.Next(2) == 0
            : type == typeof(float) ? (float)Numbers.Real(random, name)
            : type == typeof(double) ? Numbers.Real(random, name)
            : type == typeof(Index) ? new Index(random.Next(5), random.Next(2) == 0)
            : type == typeof(Shape) ? Numbers.Shape(random)
            : type == typeof(CancellationToken) ? new CancellationToken(random.Next(4) == 0)
            : type == typeof(JsonElement) ? JsonDocument.Parse("""{"text": "a", "label": 1}""").RootElement
            : type.FullName!.StartsWith("System.ValueTuple`", StringComparison.Ordinal)
                || type.FullName.Contains("KeyValuePair`", StringComparison.Ordinal)
                ? Activator.CreateInstance(type, [.. type.GetGenericArguments().Select(argument => Draw(argument, name, depth + 1))])
            : world.Any(type, random) ?? Activator.CreateInstance(type);
    }

    private Array Many(Type element, string name, int depth)
    {
        var array = Array.CreateInstance(element, random.Next(6) == 0 ? 0 : random.Next(1, 9));
        for (int i = 0; i < array.Length; i++)
        {
            array.SetValue(Draw(element, name, depth + 1), i);
        }
        return array;
    }

    private object? Collection(Type type, string name, int depth)
    {
        if (type.IsArray)
        {
            return type.GetArrayRank() == 1 ? Many(type.GetElementType()!, name, depth)
                : Array.CreateInstance(type.GetElementType()!, [.. Enumerable.Range(0, type.GetArrayRank()).Select(_ => random.Next(4))]);
        }
        if (!type.IsGenericType || !typeof(IEnumerable).IsAssignableFrom(type))
        {
            return type == typeof(object) ? "an object" : null;
        }
        var arguments = type.GetGenericArguments();
        if (arguments.Length == 2)
        {
            var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
            map[Draw(arguments[0], name, depth + 1) ?? "key"] = Draw(arguments[1], name, depth + 1);
            return map;
        }
        var items = Many(arguments[0], name, depth);
        return random.Next(2) == 0 && type.IsAssignableFrom(items.GetType()) && type.Name != "ICollection`1" ? items
            : Activator.CreateInstance(typeof(List<>).MakeGenericType(arguments[0]), items);
    }

    private static object? Json(Type type) =>
        type == typeof(JsonNode) || type == typeof(JsonObject) ? new JsonObject { ["r"] = 4, ["x"] = "y" }
        : type == typeof(JsonDocument) ? JsonDocument.Parse("{}") : null;

    // Options: the constructor, then some of the properties.
    private object? Create(Type type, int depth)
    {
        var constructors = type.GetConstructors();
        if (constructors.Length == 0)
        {
            return null;
        }
        var constructor = constructors[random.Next(constructors.Length)];
        object made = Invoker.Of(constructor)(null, [.. constructor.GetParameters().Select(p => Draw(Bare(p), p.Name ?? "", depth + 1))])!;
        var setters = type.GetProperties().Where(p => p.SetMethod is { IsPublic: true } && p.GetIndexParameters().Length == 0).ToArray();
        for (int i = setters.Length == 0 ? 0 : random.Next(4); i > 0; i--)
        {
            var property = setters[random.Next(setters.Length)];
            object? value = Draw(property.PropertyType, property.Name, depth + 1);
            property.SetValue(made, value, BindingFlags.DoNotWrapExceptions, null, null, null);
        }
        return made;
    }

    // A callback that answers with a drawn value, throws, or uses the library itself.
    private Delegate Function(Type type)
    {
        var invoke = type.GetMethod("Invoke")!;
        var parameters = invoke.GetParameters().Select(p => Expression.Parameter(p.ParameterType)).ToArray();
        Expression answer = Expression.Call(Expression.Constant(this), AnswerMethod, Expression.Constant(invoke.ReturnType, typeof(Type)),
            Expression.NewArrayInit(typeof(object), parameters.Select(p => Expression.Convert(p, typeof(object)))));
        answer = invoke.ReturnType == typeof(void) ? answer : Expression.Convert(answer, invoke.ReturnType);
        return Expression.Lambda(type, answer, parameters).Compile();
    }

    private object? Answer(Type type, object?[] given)
    {
        switch (random.Next(12))
        {
            case 0:
                throw new UserException();
            case 1:
                reenter(this);
                break;
            default:
                break;
        }
        foreach (object? argument in given)
        {
            world.Add(argument);
        }
        return type == typeof(void) ? null
            : random.Next(2) == 0 && given.FirstOrDefault(type.IsInstanceOfType) is { } same ? same : Draw(type, "", MostDepth);
    }

    private static Type Bare(ParameterInfo parameter) =>
        parameter.ParameterType.IsByRef ? parameter.ParameterType.GetElementType()! : parameter.ParameterType;
}
