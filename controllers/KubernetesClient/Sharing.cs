using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s;

/// <summary>Reads a text that has been read before as the same string: kinds, types and reasons of conditions, names of
/// images and labels are the same in thousands of objects, which are all kept.</summary>
/// <remarks>Each text has one place, which the next one with the same place takes: what is frequent is nearly always
/// there, and what is not costs nothing for long. Strings do not change, so that threads need no lock.</remarks>
internal sealed class SharedStrings : JsonConverter<string>
{
    private const int Longest = 64;
    private readonly string?[] _known = new string?[4096];

    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        TextOf(ref reader);

    public override string ReadAsPropertyName(
        ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        TextOf(ref reader);

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value);

    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
        writer.WritePropertyName(value);

    private string TextOf(ref Utf8JsonReader reader)
    {
        if (reader.HasValueSequence
            || reader.ValueIsEscaped
            || reader.ValueSpan.Length > Longest
            || !Ascii.IsValid(reader.ValueSpan))
        {
            return reader.GetString()!;
        }

        Span<char> buffer = stackalloc char[Longest];
        var text = buffer[..Encoding.ASCII.GetChars(reader.ValueSpan, buffer)];
        ref var place = ref _known[(uint)string.GetHashCode(text) % (uint)_known.Length];
        var known = place;
        return known is not null && text.SequenceEqual(known) ? known : place = text.ToString();
    }
}

/// <summary>Reads fields that are not modelled as the same element where they have the same text: most pods have the
/// same tolerations, and each element of its own is a document of its own.</summary>
internal sealed class SharedElements : JsonConverter<JsonElement>
{
    private const int Longest = 1024;
    private readonly Known?[] _known = new Known?[1024];

    public override JsonElement Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var element = JsonElement.ParseValue(ref reader);
        var text = JsonMarshal.GetRawUtf8Value(element);
        if (text.Length > Longest)
        {
            return element;
        }

        var hash = new HashCode();
        hash.AddBytes(text);
        ref var place = ref _known[(uint)hash.ToHashCode() % (uint)_known.Length];
        var known = place;
        if (known is not null && text.SequenceEqual(JsonMarshal.GetRawUtf8Value(known.Element)))
        {
            return known.Element;
        }

        place = new Known(element);
        return element;
    }

    public override void Write(Utf8JsonWriter writer, JsonElement value, JsonSerializerOptions options) =>
        value.WriteTo(writer);

    // An element is two words, which no other thread may see half.
    private sealed record Known(JsonElement Element);
}
